"""A frame → its largest face, cut out as the model sees it."""
