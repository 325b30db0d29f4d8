"""Questions about finished mixes: their composition, the changes from one to another, and the trace of a row."""
