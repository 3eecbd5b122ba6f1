"""The commands that judge a model."""
