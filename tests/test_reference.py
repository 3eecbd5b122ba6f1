"""The pipeline against a naive reference, on the real media that lie beside the repository."""

from __future__ import annotations

import multiprocessing
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from dfsubmit import RunOptions, run
from dfsubmit.errors import Exit
from dfsubmit.output.submission import validate_submission
from dfsubmit.output.summary import RunSummary
from dfsubmit.records import FileResult, Status
from dfsubmit.scoring.aggregate import label_for

pytestmark = pytest.mark.slow

EDGE_CASES = {
    "truncated.mp4": Status.UNREADABLE,
    "empty.mp4": Status.UNREADABLE,
    "not_a_video.mp4": Status.UNREADABLE,
    "noface_bottle.mp4": Status.NO_FACE,
    "noface_car.mp4": Status.NO_FACE,
    "lp_noface_dog_s30.jpg": Status.NO_FACE,
    "rot90_meta.mp4": Status.OK,
    "rot180_meta.mp4": Status.OK,
    "exif_orient6.jpg": Status.OK,
    "single_frame.mp4": Status.OK,
    "UPPER.JPG": Status.OK,
    "unicode_한글 이름.jpg": Status.OK,
    "gray16.png": Status.OK,
}


# Finding faces is what takes the time, so most files are sampled more thinly than by the recipe.
FRAMES = {"videos": 6, "edge": 12, "images": 40}
RECIPES_OWN = {"short_12frames.mp4", "short_39frames.mp4"}
"""Sampled at the recipe's 40 frames, of which they have fewer."""


@pytest.fixture(scope="module")
def summaries(
    shared: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[Path, RunSummary]]:
    """Runs over all the media, in flat folders as in the competition: folder and outcome."""
    by_frames: dict[int, list[Path]] = {}
    for kind, frames in FRAMES.items():
        for path in (shared / "data" / "media" / kind).iterdir():
            by_frames.setdefault(40 if path.name in RECIPES_OWN else frames, []).append(path)
    done = []
    for frames, paths in by_frames.items():
        flat = tmp_path_factory.mktemp(f"flat-{frames}")
        for path in paths:
            shutil.copy(path, flat / path.name)
        output = tmp_path_factory.mktemp("run") / "submission.csv"
        options = RunOptions(
            tiny_model, flat, output, frames=frames, fallback=None, progress=False, workers=2
        )
        done.append((flat, run(options)))
    return done


@pytest.fixture(scope="module")
def results(summaries: list[tuple[Path, RunSummary]]) -> dict[str, FileResult]:
    return {result.filename: result for _, summary in summaries for result in summary.results}


def test_every_file_has_a_valid_row(summaries: list[tuple[Path, RunSummary]]) -> None:
    for flat, summary in summaries:
        assert validate_submission(summary.submission, flat) == []
        assert summary.exit_code in (Exit.OK, Exit.TOO_MANY_FAILURES)


@pytest.mark.parametrize(("name", "status"), EDGE_CASES.items())
def test_edge_cases_have_their_status(
    results: dict[str, FileResult], name: str, status: Status
) -> None:
    assert results[name].status is status


def test_cut_off_pictures_do_not_crash(results: dict[str, FileResult]) -> None:
    assert results["truncated.jpg"].status in (Status.OK, Status.NO_FACE, Status.UNREADABLE)


def test_turned_files_have_upright_faces(results: dict[str, FileResult]) -> None:
    """The same clip, stored turned by 90 and by 180 degrees, has its face in the same place."""
    quarter, half = results["rot90_meta.mp4"].frames[0], results["rot180_meta.mp4"].frames[0]
    assert max(abs(a - b) for a, b in zip(quarter.box, half.box, strict=True)) <= 8
    upright = results["UPPER.JPG"].frames[0]
    turned = results["exif_orient6.jpg"].frames[0]
    assert max(abs(a - b) for a, b in zip(upright.box, turned.box, strict=True)) <= 8


def test_a_single_frame_is_used_once(results: dict[str, FileResult]) -> None:
    result = results["single_frame.mp4"]
    assert (result.frames_decoded, len(result.frames)) == (1, 1)


def test_the_pipeline_equals_the_naive_reference(
    summaries: list[tuple[Path, RunSummary]], tiny_model: Path, results: dict[str, FileResult]
) -> None:
    """Same boxes, p_fake within 1e-4, same label, for every file."""
    from reference import load_reference, score_by_reference  # imports torch and transformers

    paths = [flat / result.filename for flat, summary in summaries for result in summary.results]
    frames = [summary.meta["recipe"]["frames"] for _, summary in summaries for _ in summary.results]
    # Spawned: the files are independent, and torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context, load_reference, (tiny_model,)) as pool:
        scored = pool.map(score_by_reference, paths, frames)
        references = dict(zip(results, scored, strict=True))
    differing = []
    for name, expected in references.items():
        result = results[name]
        same = [frame.box for frame in result.frames] == expected.boxes
        if expected.p_fake is None:
            same = same and result.p_fake is None
        else:
            assert result.p_fake is not None, name
            same = same and abs(result.p_fake - expected.p_fake) <= 1e-4
            same = same and result.label == label_for(expected.p_fake)
        if not same:
            differing.append(name)
    assert differing == []
