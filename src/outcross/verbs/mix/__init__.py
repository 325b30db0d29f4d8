"""The verb `mix`: build a training set out of human and synthetic pools."""
