"""The published claims, one YAML file each: the statement of a paper, the experiment that tests it, and the rule that decides, which is fixed before the run."""
