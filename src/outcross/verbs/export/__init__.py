"""The verb `export`, which writes results for other tools."""
