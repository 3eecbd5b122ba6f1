"""Extracted faces → a split, and what each epoch shows of it."""
