"""The verb `card`: what is in a set of rows, for whoever finds it elsewhere."""
