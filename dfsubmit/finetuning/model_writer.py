"""A fine-tuned model → its folder: weights, configuration, recipe, metrics, curves, model card."""

from __future__ import annotations

import dataclasses
import importlib.resources
import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

from dfsubmit._version import __version__
from dfsubmit.drawing import new_figure, plain, png, shortened
from dfsubmit.faces.preprocess import PREPROCESSOR_FILE
from dfsubmit.files import write_atomically
from dfsubmit.finetuning.data.plan import Plan
from dfsubmit.finetuning.data.splits import write_split
from dfsubmit.finetuning.finetune import Outcome
from dfsubmit.finetuning.networks.backbones import Backbone
from dfsubmit.finetuning.networks.teacher import SHARE
from dfsubmit.finetuning.options import TuneOptions
from dfsubmit.labels import LABEL_NAMES
from dfsubmit.models.folder import UNTRAINED_KEY
from dfsubmit.recipe import RECIPE_FILE

SPLIT_FILE = "split.csv"
METRICS_FILE = "metrics.json"
CURVES_FILE = "curves.png"
COLUMNS = {
    "macro_f1": "macro F1",
    "f1_fake": "F1 fake",
    "auc": "AUC",
    "video_macro_f1": "video macro F1",
    "video_auc": "video AUC",
}
"""The figures that the card's tables show, and what they call them."""


def write_model(backbone: Backbone, plan: Plan, options: TuneOptions, outcome: Outcome) -> None:
    """Write everything that `run` and people need into the output folder.

    ``config.json`` comes last: a folder that has one is complete.
    """
    folder = options.output
    if options.teacher:  # where it lies says nothing elsewhere
        options = dataclasses.replace(options, teacher=Path(options.teacher).name)
    write_split(folder / SPLIT_FILE, plan.rows, plan.split)
    write_atomically(folder / METRICS_FILE, _metrics(plan, options, outcome))
    draw_curves(folder / CURVES_FILE, plan, folder.name, outcome)
    write_atomically(folder / "README.md", model_card(plan, options, outcome))
    write_atomically(folder / RECIPE_FILE, plan.recipe.to_json())
    processor = json.dumps(backbone.preprocessor_config, indent=2) + "\n"
    write_atomically(folder / PREPROCESSOR_FILE, processor)
    _write_weights(backbone.model, folder, options.save_precision)
    if options.zip:
        write_zip(folder)


def _write_weights(model: Any, folder: Path, precision: str) -> None:
    import tempfile

    import torch

    model = model.to("cpu", memory_format=torch.contiguous_format)
    if precision == "fp16":
        model = model.half()
    model.config.architectures = [type(model).__name__]
    vars(model.config).pop(UNTRAINED_KEY, None)  # the base's weights were random
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        model.save_pretrained(scratch)
        names = sorted(path.name for path in Path(scratch).iterdir())
        for name in sorted(names, key=lambda name: name == "config.json"):
            # safetensors makes its file private; a model is as readable as what lies beside it.
            (Path(scratch) / name).chmod((folder / RECIPE_FILE).stat().st_mode)
            (Path(scratch) / name).replace(folder / name)


def write_zip(folder: Path) -> Path:
    """Write FOLDER.zip, the folder in it under its own name; gives its path."""
    target = folder.with_name(folder.name + ".zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as bundle:
        for path in sorted(folder.iterdir()):
            if path.is_file():
                bundle.write(path, f"{folder.name}/{path.name}")
    return target


def _metrics(plan: Plan, options: TuneOptions, outcome: Outcome) -> str:
    """``metrics.json``."""
    data = dataclasses.asdict(outcome)
    data["split"] = {
        "by": plan.split.by,
        **{side: len(faces) for side, faces in plan.split.sides.items()},
        "groups on both sides": len(plan.split.shared_groups()),
    }
    data["options"] = {
        key: value
        for key, value in dataclasses.asdict(options).items()
        if key not in ("faces", "output", "progress", "report_to")
    }
    return json.dumps(data, indent=2) + "\n"


def draw_curves(path: Path, plan: Plan, name: str, outcome: Outcome) -> None:
    """Draw losses and validation metrics over the steps, and mark the weights that were kept."""
    figure = new_figure("finetune", 10, 4.2)
    counts = {side: len(faces) for side, faces in plan.split.sides.items()}
    figure.suptitle(
        f"{plain(shortened(name, 48))}, fine-tuned from {plain(shortened(outcome.origin, 48))}\n"
        f"{counts['learn']:,} training faces, {counts['validate']:,} validation faces"
    )
    left, right = figure.subplots(1, 2)
    if outcome.losses:
        left.plot(*zip(*outcome.losses, strict=True), label="training", linewidth=1)
    steps = [entry["step"] for entry in outcome.history]
    losses = [entry["loss"] for entry in outcome.history]
    left.plot(steps, losses, "o-", label="validation", markersize=4)
    left.set(xlabel="step", ylabel="loss", title="loss")
    drawn: list[list[tuple[float, float]]] = []
    for key, title in COLUMNS.items():
        values = [(entry["step"], entry[key]) for entry in outcome.history if key in entry]
        if values and values not in drawn:  # of pictures, frames and videos say the same
            right.plot(*zip(*values, strict=True), "o-", label=title, markersize=4)
            drawn.append(values)
    right.set(xlabel="step", ylabel="value", ylim=(0, 1.02), title="validation metrics")
    for axes in (left, right):
        axes.axvline(outcome.best_step, color="0.5", linestyle=":", label="best step (kept)")
        axes.set_xlim(left=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    write_atomically(path, png(figure))


def model_card(plan: Plan, options: TuneOptions, outcome: Outcome) -> str:
    """The model's ``README.md``: an experiment report and what the model must not be used for."""
    import jinja2

    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML: the `cell` filter guards it
    )
    environment.filters["cell"] = _cell
    environment.filters["figure"] = lambda value: "–" if value is None else f"{value:.3f}"
    template = importlib.resources.files(__package__) / "model_card.md"
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        name=options.output.name,
        version=__version__,
        plan=plan,
        options=options,
        outcome=outcome,
        columns=COLUMNS,
        datasets=_datasets(plan),
        recipe=plan.recipe.to_dict(),
        teacher_share=SHARE,
        warnings=plan.warnings(),
        minutes=outcome.seconds / 60,
    )


def _cell(text: object) -> str:
    """Text that cannot leave its cell of a Markdown table, nor become markup."""
    plain = str(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return " ".join(plain.replace("`", "'").split())


def _datasets(plan: Plan) -> list[dict[str, Any]]:
    """For each side, data set, class and method: faces and videos."""
    table = []
    for side, faces in plan.split.sides.items():
        rows = [plan.rows[i] for i in faces]
        counts = Counter((r.dataset, r.compression, LABEL_NAMES[r.label], r.method) for r in rows)
        for key, count in sorted(counts.items()):
            videos = {
                r.video
                for r in rows
                if (r.dataset, r.compression, LABEL_NAMES[r.label], r.method) == key
            }
            dataset, compression, label, method = key
            table.append(
                {
                    "side": side,
                    "dataset": f"{dataset} {compression}".strip(),
                    "label": label,
                    "method": method,
                    "faces": count,
                    "videos": len(videos),
                }
            )
    return table
