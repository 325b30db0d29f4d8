"""The published claims, a YAML each: what a paper says, the experiment that looks, and how agreement is decided before it is run."""
