"""The splits of a mix: families of rows that belong together, and the division of the families."""
