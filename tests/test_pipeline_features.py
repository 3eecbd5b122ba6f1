"""`run --keep-features` and `--reference`: from the model to the alarm, and no label changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import dfsubmit

from dfsubmit import RunOptions, run
from dfsubmit.errors import UsageError
from dfsubmit.output.features import features_path, read_kept_run
from dfsubmit.output.scores import scores_path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many pictures as a comparison takes, and a file without a face."""
    folder = tmp_path_factory.mktemp("pictures") / "data"
    folder.mkdir()
    for number in range(20):
        shutil.copy(samples / ("face.jpg", "face.png")[number % 2], folder / f"{number:02d}.img")
    shutil.copy(samples / "broken.mp4", folder)
    return folder


@pytest.fixture(scope="module")
def reference(tiny_model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scores of a run with features."""
    output = tmp_path_factory.mktemp("reference") / "r.csv"
    run(options(tiny_model, data, output, keep_features=True))
    return scores_path(output)


def options(model: Path, data: Path, output: Path, **changes: object) -> RunOptions:
    return RunOptions(
        model=model, data=data, output=output, fallback=None, loader="huggingface", workers=1,
        max_failures=1.0, progress=False, **changes,  # type: ignore[arg-type]
    )  # fmt: skip


def test_every_scored_file_has_its_features(reference: Path) -> None:
    kept = read_kept_run(reference)
    assert len(kept.features) == 20
    assert kept.meta["features"] is True
    assert kept.features.std() > 0
    np.testing.assert_allclose(kept.features[0], kept.features[2], atol=1e-3)


def test_the_alarm_is_printed_and_no_label_changes(
    tiny_model: Path, data: Path, reference: Path, tmp_path: Path
) -> None:
    arguments = (
        "run", data, "--model", tiny_model, "--no-fallback", "--loader", "huggingface",
        "--workers", 1, "--max-failures", "100%", "--no-progress", "--reference", reference,
    )  # fmt: skip
    text = dfsubmit(*arguments, "--output", tmp_path / "s.csv")
    assert "drift alarm: quiet" in text
    submission = reference.with_name("r.csv")
    assert (tmp_path / "s.csv").read_bytes() == submission.read_bytes()
    assert features_path(tmp_path / "s.csv").exists()


def test_a_resumed_run_scores_anew_what_has_no_features(
    tiny_model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dfsubmit.output import journal

    # The journal of a finished run stays, as if it had been killed before its end.
    monkeypatch.setattr(journal.Journal, "close", lambda self, finished: self._stream.close())
    plain = run(options(tiny_model, data, tmp_path / "s.csv"))
    assert plain.meta["resumed"] == 0
    assert not features_path(tmp_path / "s.csv").exists()
    first = run(options(tiny_model, data, tmp_path / "s.csv", keep_features=True))
    assert first.meta["resumed"] == 1  # the file that cannot be read
    whole = read_kept_run(scores_path(tmp_path / "s.csv"))
    again = run(options(tiny_model, data, tmp_path / "s.csv", keep_features=True))
    assert again.meta["resumed"] == 21
    np.testing.assert_array_equal(
        read_kept_run(scores_path(tmp_path / "s.csv")).features, whole.features
    )


def test_what_cannot_be_compared_is_said_before_anything_is_scored(
    tiny_model: Path, data: Path, reference: Path, tmp_path: Path
) -> None:
    output = tmp_path / "s.csv"
    for changes, reason in (
        ({"reference": tmp_path / "no.scores.jsonl"}, "No such file"),
        ({"reference": reference, "frames": 3}, "another recipe"),
        ({"reference": reference, "tta": "flip"}, "with --tta none"),
    ):
        with pytest.raises(UsageError, match=reason):
            run(options(tiny_model, data, output, **changes))
        assert not output.exists()
    other = shutil.copytree(tiny_model, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "note": "another"}))
    with pytest.raises(UsageError, match="another model"):
        run(options(other, data, output, reference=reference))
