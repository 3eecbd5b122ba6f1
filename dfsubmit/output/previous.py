"""Protects the result of another model at the output path."""

from __future__ import annotations

from dfsubmit.console import printable
from dfsubmit.errors import ModelError, UsageError
from dfsubmit.models.folder import ModelFolder, open_model
from dfsubmit.options import RunOptions
from dfsubmit.output.scores import meta_path, read_meta, scores_path


def refuse_another_models(options: RunOptions) -> None:
    """Refuse to overwrite the result of another model.

    The result of the same model, or of a fallback model, is replaced or resumed. A result without
    metadata is replaced too.

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
    """The model of the run, or its fallback; None if it cannot be opened, which the run reports."""
    for path in (options.model, options.fallback):
        try:
            return open_model(path) if path is not None else None
        except ModelError:
            continue
        except UsageError:
            return None
    return None
