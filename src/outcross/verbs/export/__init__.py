"""Hand what a run made to other tools."""
