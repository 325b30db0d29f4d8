"""Words of texts: counts and statistics."""
