"""The commands that enter a competition."""
