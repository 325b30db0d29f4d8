"""The questions that Outcross answers, a folder a verb."""
