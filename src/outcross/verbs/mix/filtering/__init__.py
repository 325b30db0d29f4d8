"""The filters of a mix: what they see, what they keep and reject, and what they cost."""
