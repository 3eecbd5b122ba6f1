"""Labels and scores → figures, with intervals and thresholds out of fold."""
