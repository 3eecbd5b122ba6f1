"""Predictions of files in groups → a 95 % interval for each metric, which holds for few files too.

`benchmarks/coverage.py` measures how often they hold the truth (docs/validation.md).
"""
