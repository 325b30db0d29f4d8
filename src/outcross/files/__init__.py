"""Files, read as typed columns or as text, and written whole or not at all."""
