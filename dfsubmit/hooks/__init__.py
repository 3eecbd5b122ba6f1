"""Plugins: the hooks, what they register, and how they are loaded."""
