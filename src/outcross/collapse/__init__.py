"""What readings over generations say: how they go on, how fast, and whether that is collapse."""
