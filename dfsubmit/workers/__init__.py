"""Scanning many files at once, in worker processes: a crash affects only one file."""
