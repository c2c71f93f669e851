"""Fit a head on arrays in memory, and ask it for probabilities."""
