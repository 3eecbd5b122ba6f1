"""Degraded variants of labelled media, made and scored."""
