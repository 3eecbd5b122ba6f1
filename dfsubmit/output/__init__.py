"""Results → the files on disk."""
