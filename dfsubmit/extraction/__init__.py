"""A data set → face crops and their index."""
