"""A folder → its files; a file → its frames."""
