"""Time, memory and agreement of every way to run, on the same files and machine: ``make bench``."""
