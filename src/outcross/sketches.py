"""Statistics of any number of rows in bounded memory, that can be merged."""
