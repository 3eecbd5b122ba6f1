"""The page's pictures are the faces that the model was given, and take the room that they may."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import dfsubmit
from pages import Element, read_html, rows
from scores_samples import make_result
from tiny_networks import save_tiny

from dfsubmit.errors import UsageError
from dfsubmit.faces.pictures import Picture, Pictures, write_pictures
from dfsubmit.faces.scan import Scanner
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.hooks.loading import load_plugins
from dfsubmit.options import picture_file
from dfsubmit.output.scores import read_scores, write_scores
from dfsubmit.recipe import Recipe
from dfsubmit.records import Face, MediaFile, Pixels, Status
from dfsubmit.report import making
from dfsubmit.report.collect import scan_settings
from dfsubmit.report.making import Made, ReportOptions, make_report


def make(scores: Path, **options: object) -> Made:
    """The page of scores, in English."""
    values = {"progress": False, "language": "en", **options}
    return make_report(ReportOptions([scores], **values))  # type: ignore[arg-type]


def crops(row: Element) -> dict[int, Pixels]:
    """The faces that a row shows, by their frames' numbers."""
    found = {}
    for item in row.all("li"):
        pictures = list(item.all("img"))
        number = next(span.text for span in item.all("span") if span.text.startswith("#"))
        data = base64.b64decode(pictures[0]["src"].partition(",")[2])
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None
        found[int(number[1:].split()[0])] = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return found


@pytest.fixture
def mine(pictured: Path, tmp_path: Path) -> Path:
    """A copy of the run with pictures; its scores file."""
    shutil.copytree(pictured, tmp_path / "run")
    return tmp_path / "run" / "submission.scores.jsonl"


def test_a_run_with_report_gives_the_page_its_scored_faces(mine: Path) -> None:
    page = read_html(mine.parent / "submission.report.html")  # the run's own
    shown = rows(page)
    made = make(mine)
    assert made.path == mine.parent / "submission.report.html"
    assert not made.notes
    for result in read_scores(mine):
        row = shown[result.filename]
        assert list(crops(row)) == [frame.index for frame in result.frames]
        whole = [picture for span in row.all("span", "whole") for picture in span.all("img")]
        assert len(whole) == (result.status is not Status.UNREADABLE)
    assert any("people's faces" in note.text for note in page.all("p", "note"))


def test_the_faces_are_those_that_the_model_was_given(mine: Path) -> None:
    (row,) = (
        row for name, row in rows(read_html(make(mine).path)).items() if name == "twelve_frames.mp4"
    )
    meta = json.loads((mine.parent / "submission.meta.json").read_text())
    settings = scan_settings(meta, None, load_plugins())
    faces: list[Face] = []
    path = mine.parent / "data" / "twelve_frames.mp4"
    Scanner(settings).scan(MediaFile(path, path.name), faces.append)
    assert faces[0].crop.shape == (224, 224, 3)
    pictures = crops(row)
    for face in faces:
        small = cv2.resize(face.crop, (96, 96), interpolation=cv2.INTER_AREA)
        assert np.abs(pictures[face.index].astype(int) - small).mean() < 6
    other = np.abs(pictures[faces[0].index].astype(int) - pictures[faces[-1].index]).mean()
    assert other > 6  # faces of other frames are told apart


def test_without_pictures_the_files_are_scanned_again_and_the_page_says_so(mine: Path) -> None:
    kept = crops(rows(read_html(make(mine).path))["twelve_frames.mp4"])
    shutil.rmtree(mine.parent / "submission.pictures")
    made = make(mine)
    assert made.notes == [
        "There are no pictures of 3 files. dfsubmit report --data DIR takes them."
    ]
    assert not list(read_html(made.path).all("img"))
    made = make(mine, data=mine.parent / "data")
    (note,) = made.notes
    assert "kept no pictures of 3 files: scanned again" in note
    again = crops(rows(read_html(made.path))["twelve_frames.mp4"])
    assert again.keys() == kept.keys()
    assert all(np.array_equal(again[index], kept[index]) for index in kept)
    assert not (mine.parent / "submission.pictures").exists()


def test_a_merged_runs_page_says_that_its_pictures_were_not_copied(mine: Path) -> None:
    out = mine.parent / "merged.csv"
    dfsubmit("merge", out, mine.parent / "submission.csv", "--no-progress")
    assert not (mine.parent / "merged.pictures").exists()
    assert make(mine.parent / "merged.scores.jsonl").notes == [
        "There are no pictures of 3 files. dfsubmit report --data DIR takes them."
    ]


def test_pictures_of_another_scan_are_not_shown(mine: Path) -> None:
    results = read_scores(mine)
    for result in results:
        for frame in result.frames:
            object.__setattr__(frame, "box", (1, 2, 3, 4))
    write_scores(
        mine, results, json.loads((mine.parent / "submission.meta.json").read_text())["run"]
    )
    made = make(mine)
    assert made.notes == [
        "There are no pictures of 2 files. dfsubmit report --data DIR takes them."
    ]


def test_no_faces_leaves_no_picture(mine: Path) -> None:
    made = make(mine, faces=False, data=mine.parent / "data")
    page = read_html(made.path)
    assert not list(page.all("img"))
    assert "people's faces" not in page.text
    assert "data:" not in made.path.read_text().replace("img-src data:", "")
    assert next(rows(page)["twelve_frames.mp4"].all("svg", "timeline"))


def test_assets_lie_beside_the_page(mine: Path) -> None:
    page_path = mine.parent / "pages" / "a page.html"
    page_path.parent.mkdir()
    make(mine, output=page_path, assets=page_path.parent / "its pictures")
    page = read_html(page_path)
    sources = {picture["src"] for picture in page.all("img")}
    assert sources
    assert all(source.startswith("its%20pictures/") for source in sources)
    for source in sources:
        assert (page_path.parent / source.replace("%20", " ")).stat().st_size
    (policy,) = (m["content"] for m in page.all("meta") if "http-equiv" in m.attributes)
    assert "img-src data: 'self';" in policy


def test_a_page_keeps_to_its_size_and_the_files_that_matter_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = tmp_path / "a.scores.jsonl"
    results = [make_result(f"{n:02d}.mp4", [0.02 * n + 0.003] * 20) for n in range(40)]
    write_scores(scores, results)
    random = np.random.default_rng(0)
    folder = tmp_path / "a.pictures"
    folder.mkdir()
    for result in results:
        taken = tuple(
            Picture(f.index, f.time, f.box, f.detection, (640, 480), random.bytes(3000))
            for f in result.frames
        )
        write_pictures(
            picture_file(folder, result.filename), Pictures(taken, taken[0], random.bytes(2000))
        )
    monkeypatch.setattr(making, "PAGE_BYTES", 1_200_000)
    made = make(scores)
    assert 900_000 < made.size <= 1_200_000
    shown = rows(read_html(made.path))
    assert all(list(row.all("span", "thumb")) for row in shown.values())
    counts = {name: len(list(row.all("li"))) for name, row in shown.items()}
    full = {name for name, count in counts.items() if count == 20}
    assert set(counts.values()) == {1, 20} or set(counts.values()) == {2, 20}
    nearest = sorted(results, key=lambda result: abs((result.p_fake or 0) - 0.5))
    assert full == {result.filename for result in nearest[: len(full)]}
    assert made.notes[0].startswith(f"All faces of {len(full)} files are here")


def test_the_scores_are_the_same_with_pictures_and_without(
    pictured: Path, tiny_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "submission.csv"
    (tmp_path / "submission.pictures").mkdir()
    stale = picture_file(tmp_path / "submission.pictures", "face.jpg")
    stale.write_bytes(b"of an earlier run")
    arguments = ["--model", tiny_model, "--output", output, "--max-failures", "100%"]
    printed = dfsubmit("run", pictured / "data", *arguments, "--no-progress", "--workers", "1")
    assert "page:" not in printed
    assert not stale.parent.exists()
    plain = read_scores(tmp_path / "submission.scores.jsonl")
    with_pictures = read_scores(pictured / "submission.scores.jsonl")
    for one, other in zip(plain, with_pictures, strict=True):
        one.seconds = other.seconds = {}
    assert plain == with_pictures


def test_the_page_shows_where_the_model_looked_a_control_and_rollout(
    mine: Path, tiny_model: Path, model_folder: Path
) -> None:
    data = mine.parent / "data"
    page = read_html(make(mine, attention=1, data=data, model=tiny_model).path)
    ((name, row),) = (pair for pair in rows(page).items() if list(pair[1].all("ul", "looks")))
    scores = {result.filename: result for result in read_scores(mine)}
    scored = [result for result in scores.values() if result.p_fake is not None]
    assert name == min(scored, key=lambda result: abs((result.p_fake or 0) - 0.5)).filename
    assert "A map is no evidence" in row.text
    (looks,) = row.all("ul", "looks")
    sources = [picture["src"] for picture in looks.all("img")]
    assert len(sources) == 3 * min(3, len(scores[name].frames))
    assert len(set(sources)) == len(sources)  # Grad-CAM, its control and rollout differ
    assert "Grad-CAM, control, rollout" in looks.text
    assert "Attention rollout has no control" in row.text
    config = model_folder / "config.json"
    config.write_text(config.read_text().replace("}", "}\n", 1))
    with pytest.raises(UsageError, match="not the model of the run"):
        make(mine, attention=1, data=data, model=model_folder)


def test_a_network_that_is_no_plain_vit_has_no_rollout(mine: Path, tmp_path: Path) -> None:
    meta = mine.parent / "submission.meta.json"
    told = json.loads(meta.read_text())
    del told["model"]["sha256"]  # without it, any model will do
    meta.write_text(json.dumps(told))
    swin = save_tiny("swin", tmp_path / "swin")
    page = read_html(make(mine, attention=1, data=mine.parent / "data", model=swin).path)
    (looks,) = page.all("ul", "looks")
    item = next(looks.all("li"))
    assert [picture["alt"].split()[0] for picture in item.all("img")] == ["Grad-CAM", "Control"]
    assert "rollout" not in page.text


def test_a_recipe_that_resizes_needs_no_model(tiny_model: Path) -> None:
    meta = {"recipe": Recipe(margin=0.2).to_dict()}
    assert scan_settings(meta, None, load_plugins()) == ScanSettings(Recipe(margin=0.2))
    settings = scan_settings(meta, tiny_model, load_plugins())
    assert settings.resize is not None
    assert settings.resize.height == 224
