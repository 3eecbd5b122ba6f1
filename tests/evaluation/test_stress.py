"""Stress tests: variants scored by the pipeline, cached, resumable, told worst first."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from dfsubmit.cli import main
from dfsubmit.errors import DfsubmitError, Exit, UsageError
from dfsubmit.evaluation.labels import LabelledFile
from dfsubmit.evaluation.stress import bench as stressbench
from dfsubmit.evaluation.stress.degrade import VARIANTS
from dfsubmit.evaluation.stress.stress import stress
from dfsubmit.options import RunOptions
from dfsubmit.output.scores import read_scores
from dfsubmit.output.summary import RunSummary
from dfsubmit.output.tally import Tally
from dfsubmit.records import Status
from dfsubmit.samples import make_untrained_model

pytest.importorskip("av")
pytestmark = pytest.mark.slow
LABELS = {
    name: LabelledFile(name, label)
    for name, label in {
        "face.jpg": 0,
        "grey.png": 1,
        "twelve_frames.mp4": 0,
        "pan.mp4": 1,
        "broken.mp4": 1,
    }.items()
}


@pytest.fixture
def media(samples: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    for name in [*LABELS, "no_face.jpg"]:
        shutil.copy(samples / name, folder)
    return folder


@pytest.fixture
def options(media: Path, tiny_model: Path) -> RunOptions:
    return RunOptions(model=tiny_model, data=media, frames=3, workers=1, progress=False)


def test_variants_are_scored_like_any_media(options: RunOptions, tmp_path: Path) -> None:
    work = tmp_path / "work"
    report = stress(options, LABELS, work, ["c40", "dark25", "noise5"], samples=100)
    assert (report.files, report.fakes, report.unlabelled) == (5, 3, 1)
    assert report.clean.fall == 0
    assert report.clean.failed == 1  # broken.mp4 stays what it is, and counts, everywhere
    falls = [row.fall for row in report.variants]
    assert falls == sorted(falls, reverse=True)
    assert report.fall == falls[0]
    assert {row.variant for row in report.variants} == {"c40", "dark25", "noise5"}
    for row in (report.clean, *report.variants):
        assert row.failed >= 1
        assert 0 < row.frame_face_rate <= 1
    clean, dark = (
        {item.filename: item for item in read_scores(work / name / "submission.scores.jsonl")}
        for name in ("clean", "dark25")
    )
    assert set(clean) == set(dark) == set(LABELS)
    assert dark["broken.mp4"].status is Status.UNREADABLE
    scored = [name for name in LABELS if dark[name].status is Status.OK]
    assert any(clean[name].p_fake != dark[name].p_fake for name in scored)
    assert not (work / "dark25" / "media").exists()  # the space is given back


def test_a_variant_that_is_done_is_not_done_again(
    options: RunOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    first = stress(options, LABELS, work, ["dark50"], samples=100)

    def forbidden(*arguments: object, **options: object) -> None:
        raise AssertionError("nothing was to be done")

    monkeypatch.setattr("dfsubmit.pipeline.run", forbidden)
    monkeypatch.setattr(stressbench, "degraded", forbidden)
    again = stress(options, LABELS, work, ["dark50"], samples=100)
    assert again.variants[0].metrics == first.variants[0].metrics
    face = Path(options.data, "face.jpg")
    face.write_bytes(face.read_bytes() + b"\0")
    with pytest.raises(AssertionError, match="nothing was to be done"):
        stress(options, LABELS, work, ["dark50"], samples=100)


def test_kept_media_serve_another_model(
    options: RunOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    first = stress(options, LABELS, work, ["noise20"], samples=100, keep_media=True)
    other = make_untrained_model(tmp_path / "other", seed=1)
    degraded: list[str] = []

    def degrade(self: object, files: list[str], *_: object) -> list[str]:
        degraded.extend(files)
        return []

    monkeypatch.setattr(stressbench.StressBench, "_degrade", degrade)
    report = stress(
        dataclasses.replace(options, model=other), LABELS, work, ["noise20"], samples=100
    )
    assert degraded == []
    assert report.variants[0].metrics != first.variants[0].metrics


def test_an_interrupted_variant_goes_on_with_the_files_that_it_has(
    options: RunOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    stress(options, LABELS, work, ["dark50"], samples=100)

    def interrupted(options: RunOptions, say: object) -> RunSummary:
        return RunSummary(Path(options.output), Tally(), {}, int(Exit.INTERRUPTED))

    with monkeypatch.context() as patch:
        patch.setattr("dfsubmit.pipeline.run", interrupted)
        with pytest.raises(DfsubmitError) as caught:
            stress(options, LABELS, work, ["dark50", "dark25"], samples=100)
    assert caught.value.exit_code == Exit.INTERRUPTED
    made = {path.name: path.stat().st_mtime_ns for path in (work / "dark25/media").iterdir()}
    assert set(LABELS) < set(made)
    report = stress(options, LABELS, work, ["dark50", "dark25"], samples=100)
    assert len(report.variants) == 2


def test_a_file_that_will_not_be_degraded_is_scored_as_it_is(
    options: RunOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    # Processes are spawned, so the failure has to lie in what they are given.
    variant = VARIANTS["dark50"]
    monkeypatch.setitem(VARIANTS, "odd", type(variant)("odd", "no such degradation", 1.0))
    report = stress(options, LABELS, tmp_path / "work", ["odd"], samples=100, say=said.append)
    assert report.fall == 0
    assert report.variants[0].metrics == report.clean.metrics
    (line,) = [line for line in said if line.startswith("odd:")]
    assert line.startswith("odd: 4 files scored without being changed")


def test_labels_have_to_fit_the_folder(options: RunOptions, tmp_path: Path) -> None:
    fakes = {name: row for name, row in LABELS.items() if row.label}
    with pytest.raises(UsageError, match="both classes"):
        stress(options, fakes, tmp_path)


def test_the_command(options: RunOptions, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    rows = [f"{row.filename},{row.label}" for row in LABELS.values()]
    labels.write_text("\n".join(["filename,label", *rows]) + "\n")
    arguments = [
        "stress",
        str(options.data),
        "--labels",
        str(labels),
        "--output",
        str(tmp_path / "w"),
    ]
    arguments += ["--model", str(options.model), "--frames", "3", "--workers", "1"]
    arguments += ["--variant", "jpeg30", "--samples", "100"]
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert data["variants"][0]["variant"] == "jpeg30"
    assert data["fall"] == pytest.approx(
        data["clean"]["macro_f1"] - data["variants"][0]["macro_f1"]
    )
    markdown, plot = tmp_path / "stress.md", tmp_path / "stress.png"
    arguments += ["--markdown", str(markdown), "--plot", str(plot)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert f"{data['clean']['macro_f1']:.3f}" in result.stdout.splitlines()[-1]
    assert "| jpeg30 |" in markdown.read_text()
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert CliRunner().invoke(main, [*arguments, "--variant", "jpg30"]).exit_code == 2
