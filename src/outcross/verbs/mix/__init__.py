"""Build a training set out of human and synthetic pools."""
