"""Swapping the aggregator plugin changes the submission as `compare` said that it would."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
from scores_samples import LOWEST_PLUGIN, MEAN

from dfsubmit.evaluation.cached import read_cached_run
from dfsubmit.evaluation.compare import compare
from dfsubmit.evaluation.labels import read_labels
from dfsubmit.hooks.loading import load_plugins
from dfsubmit.intervals.groups import group_numbers
from dfsubmit.options import RunOptions
from dfsubmit.pipeline import run
from dfsubmit.scoring.decision import Decision, write_decision


@pytest.mark.slow
@pytest.mark.parametrize("calibrated", [None, "mean", "lowest"])
def test_swapping_the_aggregator_changes_the_submission_as_compare_says(
    samples: Path, tiny_model: Path, tmp_path: Path, calibrated: str | None
) -> None:
    model = shutil.copytree(tiny_model, tmp_path / "model")
    if calibrated:
        write_decision(model, Decision(calibrated, temperature=3.0, threshold=0.52))
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "lowest.py").write_text(LOWEST_PLUGIN)
    media, labels = tmp_path / "media", tmp_path / "labels.csv"
    media.mkdir()
    names = ("face.jpg", "no_face.jpg", "pan.mp4", "twelve_frames.mp4", "zoom.mp4")
    for name in names:
        (media / name).symlink_to(samples / name)
    lines = [f"{name},{number % 2}\n" for number, name in enumerate(names)]
    labels.write_text("filename,label\n" + "".join(lines))
    options = RunOptions(
        model=model,
        data=media,
        output=tmp_path / "submission.csv",
        frames=6,
        workers=1,
        plugins_dir=(str(tmp_path / "plugins"),),
        progress=False,
    )
    plugins = load_plugins(options.plugins_dir)
    run(options)
    both = [plugins.aggregator(name) for name in ("mean", "lowest")]
    labelled = read_labels(labels)
    cached = read_cached_run(tmp_path / "submission.scores.jsonl", labelled)
    groups = group_numbers([row.group for row in labelled.values()])
    rows = {row.aggregator: row for row in compare([cached], both, MEAN, groups).rows}
    p_fake = {name: row.predictions.p_fake for name, row in rows.items()}
    assert p_fake["lowest"] is not None
    assert p_fake["mean"] is not None
    assert (p_fake["lowest"] != p_fake["mean"]).any()
    for name in ("lowest", "mean"):
        summary = run(dataclasses.replace(options, aggregator=name))
        results = {result.filename: result for result in summary.results}
        predicted, stated = rows[name].predictions, p_fake[name]
        assert stated is not None
        assert [results[name].label for name in names] == predicted.predicted.tolist()
        assert [results[name].p_fake for name in names if predicted.scored[names.index(name)]] == [
            p for p, scored in zip(stated, predicted.scored, strict=True) if scored
        ]
