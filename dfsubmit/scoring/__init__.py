"""Faces → probabilities → one score and one row for each file."""
