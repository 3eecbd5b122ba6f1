"""Terminal output: escaped names, tables, progress, and standard streams that cannot end a run.

In: what the other rooms want to say. Out: lines on stdout and stderr. rich is imported when the
first table or bar is drawn.
"""

from dfsubmit.console.messages import VERBOSITY, note, reset_verbosity, say, start_log, warn
from dfsubmit.console.progress import Progress, activity, progress_bar
from dfsubmit.console.streams import guard_standard_streams, output_error, stderr
from dfsubmit.console.tables import paragraph, table
from dfsubmit.console.text import counted, duration, first_few, printable, printable_text

__all__ = [
    "VERBOSITY",
    "Progress",
    "activity",
    "counted",
    "duration",
    "first_few",
    "guard_standard_streams",
    "note",
    "output_error",
    "paragraph",
    "printable",
    "printable_text",
    "progress_bar",
    "reset_verbosity",
    "say",
    "start_log",
    "stderr",
    "table",
    "warn",
]
