"""The verb `card`, which describes a set of rows for readers elsewhere."""
