"""``--precision cascade``: fp32's labels, with few files in fp32."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cascading import PICTURES, PLUGIN, WHOLE, write_clips, write_pictures

from dfsubmit import RunOptions, run
from dfsubmit.errors import UsageError
from dfsubmit.media.listing import list_media
from dfsubmit.output.merging import merge_runs
from dfsubmit.output.summary import RunSummary, format_summary
from dfsubmit.records import FileResult
from dfsubmit.scoring.cascade import in_random_order, is_audited
from dfsubmit.scoring.decision import Decision, write_decision
from dfsubmit.shards import Shard

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pictures(make_once: Any) -> Path:
    path: Path = make_once("cascade-pictures", write_pictures)
    return path


@pytest.fixture(scope="module")
def clips(make_once: Any) -> Path:
    path: Path = make_once("cascade-clips", write_clips)
    return path


@pytest.fixture
def base(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunOptions:
    """A run with the loader above, whose margins are kept in a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "noisy.py").write_text(PLUGIN)
    return RunOptions(
        model=tiny_model,
        data=tmp_path,
        output=tmp_path / "cascade.csv",
        recipe=WHOLE,
        precision="cascade",
        loader="noisy",
        workers=1,
        fallback=None,
        progress=False,
        plugins_dir=(str(tmp_path / "plugins"),),
    )


def labels(results: list[FileResult]) -> dict[str, int]:
    return {result.filename: result.label for result in results}


def exact(base: RunOptions, **changes: Any) -> dict[str, int]:
    output = Path(base.output).with_name("exact.csv")
    changed = dataclasses.replace(base, precision="fp32", output=output, **changes)
    return labels(run(changed).results)


def scored(summary: RunSummary) -> dict[str, int]:
    counts: dict[str, int] = summary.meta["cascade"]["files"]
    return counts


def test_labels_are_those_of_fp32(base: RunOptions, pictures: Path) -> None:
    base = dataclasses.replace(base, data=pictures)
    reference = exact(base)
    for seed in (0, 1):
        summary = run(dataclasses.replace(base, audit_seed=seed))
        assert labels(summary.results) == reference
        counts = scored(summary)
        assert counts["audited"] == sum(is_audited(name, seed) for name in reference) > 0
        assert sum(counts[kind] for kind in ("quick", "exact", "both")) == PICTURES
        assert counts["quick"] > 30
        assert summary.meta["precision"] == "cascade (int8, fp32)"
        assert summary.meta["cascade"]["unsettled"] == 0
        assert {result.precision for result in summary.results} == {"int8", "fp32"}
        kinds = [result.precision for result in summary.results if result.quick is None]
        assert (kinds.count("int8"), kinds.count("fp32")) == (counts["quick"], counts["exact"])


def test_a_second_run_knows_the_margin(base: RunOptions, pictures: Path) -> None:
    base = dataclasses.replace(base, data=pictures)
    first = run(base)
    reference = labels(first.results)
    second = run(base)
    assert labels(second.results) == reference
    # Labels of int8 alone differ, or this would show nothing.
    alone = run(dataclasses.replace(base, precision="int8"))
    assert labels(alone.results) != reference
    assert scored(second)["both"] < scored(first)["both"] - 100


def test_a_margin_that_grows_sends_files_again(
    base: RunOptions, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = dataclasses.replace(base, data=pictures)
    # A bound from the first files that nearly all others exceed.
    monkeypatch.setattr("dfsubmit.scoring.margin.FRAMES", 1)
    tiny = (-0.001, 0.001)
    monkeypatch.setattr("dfsubmit.scoring.margin.two_sided", lambda values, alpha: tiny)
    summary = run(base)
    cascade = summary.meta["cascade"]
    assert cascade["scored_again"] == cascade["files"]["exact"] > 0
    assert cascade["high"] > 0.01
    assert cascade["unsettled"] == 0


def test_crops_that_are_not_kept_are_read_again(
    base: RunOptions, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = dataclasses.replace(base, data=pictures)
    monkeypatch.setattr("dfsubmit.scoring.engine.CROP_BYTES", 0)
    summary = run(base)
    assert labels(summary.results) == exact(base)
    counts = {"quick": 0, "exact": PICTURES, "partly": 0, "both": 0, "audited": 0}
    assert scored(summary) == counts


@pytest.mark.parametrize("changes", [{}, {"early_exit": True}, {"tta": "flip"}])
def test_clips_too(base: RunOptions, clips: Path, changes: dict[str, Any]) -> None:
    base = dataclasses.replace(base, data=clips, **changes)
    reference = exact(base)
    assert labels(run(base).results) == reference
    again = run(base)
    assert labels(again.results) == reference
    assert scored(again)["quick"] > 2
    if not base.early_exit:
        assert scored(again)["partly"] > 0
    if base.early_exit:
        assert again.meta["frames_skipped"] > 0


@pytest.mark.parametrize("early_exit", [False, True])
def test_with_a_calibration(
    base: RunOptions, clips: Path, tiny_model: Path, tmp_path: Path, early_exit: bool
) -> None:
    calibrated = shutil.copytree(tiny_model, tmp_path / "calibrated")
    write_decision(calibrated, Decision("mean", temperature=2.5, threshold=0.45))
    plain = exact(dataclasses.replace(base, data=clips))
    base = dataclasses.replace(base, model=calibrated, data=clips, early_exit=early_exit)
    reference = exact(base)
    assert reference != plain
    for _ in range(2):
        summary = run(base)
        assert labels(summary.results) == reference
    assert scored(summary)["quick"] > 0
    assert summary.meta["decision"]["temperature"] == 2.5


def test_a_doubtful_clip_is_scored_in_part(base: RunOptions, clips: Path) -> None:
    base = dataclasses.replace(base, data=clips)
    run(base)
    summary = run(base)
    whole = dataclasses.replace(
        base, precision="fp32", output=Path(base.output).with_name("exact.csv")
    )
    reference = {row.filename: row for row in run(whole).results}
    partly = [row for row in summary.results if row.estimated]
    assert scored(summary)["partly"] == len(partly) > 0
    margin = summary.meta["cascade"]
    width = margin["rest_high"] - margin["rest_low"]
    assert width < 0.9 * (margin["high"] - margin["low"])
    for row in partly:
        assert row.precision == "int8+fp32"
        assert row.quick is not None
        assert len(row.quick) == len(row.frames) > len(row.estimated)
        for place, (frame, true) in enumerate(
            zip(row.frames, reference[row.filename].frames, strict=True)
        ):
            if place in row.estimated:
                assert frame.p_fake == pytest.approx(true.p_fake, abs=width / 4)
            else:
                assert frame.p_fake == true.p_fake
                assert row.quick[place] != true.p_fake


def test_an_aggregator_that_declares_nothing(base: RunOptions, pictures: Path) -> None:
    base = dataclasses.replace(base, data=pictures, aggregator="undeclared")
    summary = run(base)
    assert labels(summary.results) == exact(base)
    assert summary.meta["cascade"]["margin_of"] == "aggregate"
    assert scored(summary)["quick"] > 30


def test_a_broken_run_resumes(
    base: RunOptions, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = dataclasses.replace(base, data=pictures)
    monkeypatch.setenv("TEST_CALLS", "40")
    with pytest.raises(Exception, match="the machine burns"):
        run(base)
    monkeypatch.delenv("TEST_CALLS")
    summary = run(base)
    assert summary.meta["resumed"] > 250
    assert labels(summary.results) == exact(base)
    assert summary.meta["cascade"]["unsettled"] == 0


def test_what_a_time_limit_leaves_in_doubt_is_said(
    base: RunOptions, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = dataclasses.replace(base, data=pictures, time_limit=3600)
    monkeypatch.setattr("dfsubmit.scoring.engine.CROP_BYTES", 0)
    nothing: list[Any] = []
    monkeypatch.setattr(
        "dfsubmit.execution.local.LocalScorer.score_exactly", lambda *args: (x for x in nothing)
    )
    summary = run(base)
    assert summary.meta["cascade"]["unsettled"] == PICTURES
    assert any("may differ from fp32's" in warning for warning in summary.meta["warnings"])


def test_shards_merge(
    base: RunOptions, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = dataclasses.replace(base, data=pictures)
    # Half of the pictures are fewer than 300.
    monkeypatch.setattr("dfsubmit.scoring.margin.FRAMES", 100)
    monkeypatch.setattr("dfsubmit.scoring.margin.CONFIDENCE", 0.98)
    parts = [run(dataclasses.replace(base, shard=Shard(number, 2))) for number in (1, 2)]
    whole = merge_runs(tmp_path / "whole.csv", [part.submission for part in parts])
    assert labels(whole.results) == labels([result for part in parts for result in part.results])
    cascade, *others = (each.meta["cascade"] for each in (whole, *parts))
    assert cascade["low"] == min(other["low"] for other in others)
    assert cascade["high"] == max(other["high"] for other in others)
    assert cascade["files"]["both"] == sum(other["files"]["both"] for other in others) > 0


def test_an_executor_that_cannot_do_it_is_refused(base: RunOptions, pictures: Path) -> None:
    base = dataclasses.replace(base, data=pictures, executor="elsewhere")
    with pytest.raises(UsageError, match="does not work with --executor elsewhere"):
        run(base)
    assert not Path(base.output).exists()


def test_int8_that_is_too_far_off_is_not_used(
    base: RunOptions, clips: Path, tmp_path: Path
) -> None:
    base = dataclasses.replace(base, data=clips)
    warning = "\n        if request.precision == 'int8':\n            self.warnings = ['far off']"
    plugin = PLUGIN.replace("self.calls = 0", f"self.calls = 0{warning}")
    (tmp_path / "plugins" / "noisy.py").write_text(plugin)
    summary = run(base)
    assert summary.meta["precision"] == "cascade (bf16, fp32)"
    assert "far off; the cascade uses bf16" in summary.meta["warnings"]
    assert {result.precision for result in summary.results} <= {"bf16", "fp32"}


def test_without_a_quicker_precision(base: RunOptions, pictures: Path, tmp_path: Path) -> None:
    base = dataclasses.replace(base, data=pictures)
    plugin = PLUGIN.replace('"noisy", Loader()', '"noisy", Fp32Only()')
    (tmp_path / "plugins" / "noisy.py").write_text(plugin)
    with pytest.raises(UsageError, match="no quicker precision than fp32"):
        run(base)
    assert not Path(base.output).exists()


def test_a_quick_precision_that_is_slower_is_told(
    base: RunOptions, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = dataclasses.replace(base, data=clips)
    monkeypatch.setenv("TEST_SECONDS", "0.05")
    summary = run(base)
    cascade = summary.meta["cascade"]
    assert cascade["quick_seconds"] > cascade["exact_seconds"] > 0
    assert "--precision fp32 is faster" in format_summary(summary)
    cascade["quick_seconds"] = cascade["exact_seconds"] / 2
    assert "--precision fp32 is faster" not in format_summary(summary)


def test_the_order_is_one_of_chance(pictures: Path) -> None:
    files = list_media(pictures)
    order = in_random_order(files, 0)
    assert sorted(order, key=files.index) == files
    places = [files.index(file) for file in order]
    assert abs(np.corrcoef(places, range(PICTURES))[0, 1]) < 0.2
    assert order != in_random_order(files, 1)
