"""The targets of a mix: the values that they concern in every row, the number of rows of each cell, and the choice of these rows."""
