"""Files → finished results, on this machine: the built-in executor."""
