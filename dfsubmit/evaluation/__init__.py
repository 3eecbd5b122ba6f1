"""Figures to choose by: metrics, intervals, comparisons, calibration and stress tests.

Nothing here imports torch; only `stress` runs a model, through the pipeline.
"""
