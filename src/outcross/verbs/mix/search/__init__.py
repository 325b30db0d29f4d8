"""The search for the best shares of a mix: small mixes, a law of their losses, and its proposal beside its rivals."""
