"""What an earlier run left where this one is to write: is it another model's?"""

from __future__ import annotations

from dfsubmit.console import printable
from dfsubmit.errors import ModelError, UsageError
from dfsubmit.models.folder import ModelFolder, open_model
from dfsubmit.options import RunOptions
from dfsubmit.output.scores import meta_path, read_meta, scores_path


def refuse_another_models(options: RunOptions) -> None:
    """Refuse to write over the result of another model.

    The same model's result is replaced or resumed, and so is one that a fallback model made. What
    no metadata tell of is replaced too.

    Raises:
        UsageError: there is another model's result.
    """
    submission = options.submission
    if not (submission.is_file() and meta_path(submission).exists()):
        return
    try:
        meta = read_meta(scores_path(submission))
    except UsageError:
        return
    made_by = meta.get("model")
    if not isinstance(made_by, dict) or meta.get("fallback_reason"):
        return
    model = _model(options)
    if model is not None and made_by.get("sha256") not in (None, model.sha256):
        started = str(meta.get("started", ""))[:16].replace("T", " ")
        name = printable(str(made_by.get("name")))
        raise UsageError(
            f"{submission} is the result of another model, {name} (run of {started} UTC), "
            f"and would be replaced by that of {model.name}",
            "give this run its own --output FILE, or replace it with --force",
        )


def _model(options: RunOptions) -> ModelFolder | None:
    """The model of the run, or its fallback; None where the run will say what is wrong."""
    for path in (options.model, options.fallback):
        try:
            return open_model(path) if path is not None else None
        except ModelError:
            continue
        except UsageError:
            return None
    return None
