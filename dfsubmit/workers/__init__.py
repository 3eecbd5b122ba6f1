"""Many files scanned at once, in processes whose crashes cost one file."""
