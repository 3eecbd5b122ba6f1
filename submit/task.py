"""The competition's entry point as a script: ``python task.py``, or pasted into a notebook's cell.

The rules: one model (a model folder, or a folder that holds exactly one), ``./data`` in,
``./submission.csv`` out. ``dfsubmit package`` builds a notebook that calls the same `main`.
"""

from dfsubmit.entrypoint import main, run_script

__all__ = ["main"]

if __name__ == "__main__":
    run_script()
