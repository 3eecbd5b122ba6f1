"""The competition's entry point: `main`, called by a notebook's cell or by ``submit/task.py``.

It is `dfsubmit run` for an unattended machine: one model and no fallback, the competition's time
limit, and an exception instead of an exit code.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dfsubmit.errors import DfsubmitError, Exit

if TYPE_CHECKING:
    from dfsubmit.output.summary import RunSummary

TIME_LIMIT = "165m"
"""Three hours a submission, less a quarter for the notebook's installing cells."""


def main(
    data: str | os.PathLike[str] = "./data",
    model: str | os.PathLike[str] = "./model",
    output: str | os.PathLike[str] = "./submission.csv",
    *,
    aggregator: str | None = None,
    tta: str | None = None,
) -> RunSummary:
    """Score `data` and write `output`.

    Every option of `dfsubmit run` that is not an argument here can be set by its environment
    variable, such as DFSUBMIT_TIME_LIMIT or DFSUBMIT_BATCH_SIZE.

    Args:
        data: a folder of images and videos.
        model: a model folder, or a folder that holds exactly one.
        output: the submission; scores and metadata are written beside it.
        aggregator: a spec; None leaves it to the environment, else the mean.
        tta: "none" or "flip"; None leaves it to the environment, else "none".

    Raises:
        DfsubmitError: the model does not load, an option is wrong, or no file at all could be
            scored (the submission is written, but it says nothing).
        KeyboardInterrupt: the run was interrupted; the submission holds what was known.
    """
    from dfsubmit.cli.run import command, options_from
    from dfsubmit.console import guard_standard_streams
    from dfsubmit.output.summary import format_summary
    from dfsubmit.pipeline import run

    guard_standard_streams()
    arguments = ["--model", os.fspath(model), "--no-fallback", "--output", os.fspath(output)]
    arguments += ["--aggregator", aggregator] if aggregator is not None else []
    arguments += ["--tta", tta] if tta is not None else []
    # The command's own parser, so that the environment means the same here and there.
    context = command.make_context(
        "run",
        [*arguments, "--", os.fspath(data)],
        auto_envvar_prefix="DFSUBMIT",
        default_map={"time_limit": TIME_LIMIT},
    )
    summary = run(options_from(context), say=print)
    print(format_summary(summary))
    if summary.exit_code == Exit.INTERRUPTED:
        raise KeyboardInterrupt
    if summary.failed and summary.failed == summary.tally.files:
        counts = ", ".join(
            f"{count} {status}" for status, count in summary.meta["statuses"].items()
        )
        raise DfsubmitError(f"no file was scored: {counts}")
    return summary


def run_script(arguments: Sequence[str] | None = None) -> None:
    """``python task.py [--data DIR] [--model DIR] [--output FILE]``.

    Unknown arguments are ignored: a notebook's kernel passes some of its own.
    """
    parser = argparse.ArgumentParser(description="Score a folder and write submission.csv.")
    parser.add_argument("--data", default="./data")
    parser.add_argument("--model", default="./model")
    parser.add_argument("--output", default="./submission.csv")
    known, _ = parser.parse_known_args(arguments)
    main(known.data, known.model, known.output)
