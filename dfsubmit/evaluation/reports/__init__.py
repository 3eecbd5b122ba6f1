"""Figures → tables, Markdown and plots."""
