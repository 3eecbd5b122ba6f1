"""A model folder → a loaded model, its recipe, and which of its classes is fake."""
