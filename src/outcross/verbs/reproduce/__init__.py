"""The verb `reproduce`, which checks whether published results hold."""
