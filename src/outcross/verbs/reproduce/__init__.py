"""The verb `reproduce`: whether published results hold."""
