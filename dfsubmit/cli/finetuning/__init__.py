"""The commands that make a model."""
