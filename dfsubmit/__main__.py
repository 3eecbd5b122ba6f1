"""``python -m dfsubmit``."""

from dfsubmit.cli import main

if __name__ == "__main__":
    main(prog_name="dfsubmit")
