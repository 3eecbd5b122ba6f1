"""``python -m dfsubmit``."""

import os
import sys

# -m puts the current folder on sys.path. Where that is the data folder, a file called numpy.py
# there would be run. The folder is taken off, unless dfsubmit itself is imported from it.
_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if sys.path and os.path.abspath(sys.path[0]) == os.getcwd() != _HOME:
    del sys.path[0]

from dfsubmit.cli import main  # noqa: E402

if __name__ == "__main__":
    main(prog_name="dfsubmit")
