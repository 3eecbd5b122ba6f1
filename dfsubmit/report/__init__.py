"""A run's files, its pictures and the true labels → one HTML page."""
