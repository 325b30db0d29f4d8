"""Readings over generations: their forecast, their speed, and whether they show collapse."""
