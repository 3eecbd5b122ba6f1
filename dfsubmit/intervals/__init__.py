"""Predictions of files in groups → a 95 % interval for each metric, valid for few files too.

`benchmarks/coverage.py` measures their coverage (docs/validation.md).
"""
