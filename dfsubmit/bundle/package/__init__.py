"""A model folder → a competition bundle."""
