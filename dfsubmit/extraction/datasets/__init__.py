"""A folder in the layout of one data set → the `Source`s in it; a module for each data set."""
