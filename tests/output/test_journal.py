"""What an interrupted run finished is taken up again, and nothing that has changed since."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfsubmit.errors import UsageError
from dfsubmit.output.journal import Journal, journal_path
from dfsubmit.output.scores import score_line
from dfsubmit.records import FileResult, MediaFile, Status

CONDITIONS = {"model": "abc", "recipe": {"frames": 40}, "tta": ("none",)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return journal_path(tmp_path / "submission.csv")


@pytest.fixture
def files(tmp_path: Path) -> list[MediaFile]:
    return [MediaFile(tmp_path / name, name, 100 + i, 7 + i) for i, name in enumerate("abc")]


@pytest.fixture
def interrupted(
    path: Path, files: list[MediaFile], make_result: Callable[..., FileResult]
) -> dict[str, FileResult]:
    """A journal with all three files finished, its process gone."""
    journal = Journal(path)
    journal.start_over(CONDITIONS)
    results = {file.name: make_result(file.name, 0.25, 0.5) for file in files}
    for file in files:
        journal.append(file, results[file.name])
    journal.close(finished=False)
    return results


def resumed(
    path: Path, files: list[MediaFile], conditions: dict[str, Any] = CONDITIONS
) -> dict[str, FileResult]:
    journal = Journal(path)
    kept = dict(journal.resume(files, conditions))
    assert {place: journal.read(place) for place in kept} == kept
    for place, result in kept.items():
        for run in ("", "abc"):
            assert journal.copy(place, run) == score_line(result, run)
    journal.close(finished=False)
    return {result.filename: result for result in kept.values()}


def test_lies_beside_the_submission(tmp_path: Path) -> None:
    assert journal_path(tmp_path / "a.b.csv") == tmp_path / "a.b.journal.jsonl"


def test_everything_is_taken_up_again_and_again(
    path: Path, files: list[MediaFile], interrupted: dict[str, FileResult]
) -> None:
    assert resumed(path, files) == interrupted
    assert resumed(path, files) == interrupted


def test_features_are_taken_up_with_the_results(
    path: Path, files: list[MediaFile], make_result: Callable[..., FileResult]
) -> None:
    features = np.array([0.1, -3.0, 65504.0], np.float16)
    journal = Journal(path)
    journal.start_over(CONDITIONS)
    journal.append(files[0], make_result("a", 0.5, features=features))
    journal.append(files[1], make_result("b", 0.5))
    journal.append(files[2], make_result("c", 0.5, features=features))
    journal.close(finished=False)
    path.write_text(path.read_text()[:-6] + '!!"}\n')  # the last line's features are damaged
    kept = resumed(path, files)
    assert set(kept) == {"a", "b"}
    np.testing.assert_array_equal(kept["a"].features, features)
    assert kept["b"].features is None


def test_a_changed_file_is_not(
    path: Path, files: list[MediaFile], interrupted: dict[str, FileResult]
) -> None:
    larger = dataclasses.replace(files[0], size=999)
    newer = dataclasses.replace(files[1], mtime_ns=999)
    assert set(resumed(path, [larger, newer, files[2]])) == {"c"}


def test_a_vanished_file_is_not(
    path: Path, files: list[MediaFile], interrupted: dict[str, FileResult]
) -> None:
    assert set(resumed(path, files[1:])) == {"b", "c"}


@pytest.mark.parametrize(
    "changed", [{"model": "abd"}, {"recipe": {"frames": 30}}, {"tta": ("flip",)}, {"more": 1}]
)
def test_other_conditions_leave_nothing(
    path: Path, files: list[MediaFile], interrupted: dict[str, FileResult], changed: dict[str, Any]
) -> None:
    assert resumed(path, files, {**CONDITIONS, **changed}) == {}


def test_results_hold_for_the_conditions_above_them(
    path: Path,
    files: list[MediaFile],
    interrupted: dict[str, FileResult],
    make_result: Callable[..., FileResult],
) -> None:
    other = {**CONDITIONS, "model": "other"}
    journal = Journal(path)
    journal.resume(files, other)
    journal.append(files[0], make_result("a", 1.0))
    journal.close(finished=False)
    assert {name: result.p_fake for name, result in resumed(path, files, other).items()} == {
        "a": 1.0
    }
    assert resumed(path, files) == interrupted


def test_starting_over_forgets(
    path: Path, files: list[MediaFile], interrupted: dict[str, FileResult]
) -> None:
    journal = Journal(path)
    journal.start_over(CONDITIONS)
    journal.close(finished=False)
    assert resumed(path, files) == {}


@pytest.mark.parametrize("status", list(Status))
def test_what_may_have_been_the_machines_fault_is_tried_again(
    path: Path, files: list[MediaFile], make_result: Callable[..., FileResult], status: Status
) -> None:
    journal = Journal(path)
    journal.start_over(CONDITIONS)
    journal.append(files[0], make_result("a", status=status))
    journal.close(finished=False)
    final = {Status.OK, Status.NO_FACE, Status.UNREADABLE, Status.UNSUPPORTED}
    assert set(resumed(path, files)) == ({"a"} if status in final else set())


def test_the_last_word_on_a_file_holds(
    path: Path,
    files: list[MediaFile],
    interrupted: dict[str, FileResult],
    make_result: Callable[..., FileResult],
) -> None:
    journal = Journal(path)
    journal.resume(files, CONDITIONS)
    journal.append(files[0], make_result("a", 1.0))
    journal.close(finished=False)
    assert resumed(path, files)["a"].p_fake == 1.0


def test_a_torn_last_line_costs_its_file_alone(
    path: Path, files: list[MediaFile], interrupted: dict[str, FileResult]
) -> None:
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1)
    for cut in range(last + 1, len(whole) - 1, 40):
        path.write_bytes(whole[:cut])
        assert set(resumed(path, files)) == {"a", "b"}
        # What is appended now must not be glued to the torn line.
        journal = Journal(path)
        journal.resume(files, CONDITIONS)
        journal.append(files[2], interrupted["c"])
        journal.close(finished=False)
        assert resumed(path, files) == interrupted


def test_a_journal_of_an_earlier_version_is_taken_up(
    path: Path, files: list[MediaFile], interrupted: dict[str, FileResult]
) -> None:
    """Its lines begin with the line break, and the last has none."""
    path.write_bytes(b"\n" + path.read_bytes().rstrip())
    assert resumed(path, files) == interrupted


@given(st.binary(), st.sampled_from([b"", b"\n"]))
def test_any_bytes_in_the_journal_cost_at_most_their_line(
    path: Path,
    files: list[MediaFile],
    make_result: Callable[..., FileResult],
    noise: bytes,
    end: bytes,
) -> None:
    journal = Journal(path)
    journal.start_over(CONDITIONS)
    journal.append(files[0], make_result("a", 0.5))
    journal.close(finished=False)
    with path.open("ab") as stream:
        stream.write(noise + end)
    assert set(resumed(path, files)) == {"a"}


@pytest.mark.parametrize(
    "line",
    [
        '"conditions"',
        "5",
        '{"file":[100,7]}',
        '{"file":[100,7],"result":[]}',
        '{"file":[100,7],"result":{"filename":["a"]}}',
        '{"file":[101,8],"result":{"filename":"b","status":"ok","frames":[{"index":Infinity}]}}',
    ],
)
def test_lines_that_are_something_else_are_passed_over(
    path: Path, files: list[MediaFile], interrupted: dict[str, FileResult], line: str
) -> None:
    with path.open("a") as stream:
        stream.write(line + "\n")
    assert {"a", "c"} <= set(resumed(path, files))


def test_a_second_run_on_the_same_output_is_refused(path: Path) -> None:
    journal = Journal(path)
    with pytest.raises(UsageError, match=r"another run is writing to .*submission") as caught:
        Journal(path)
    assert "--output" in caught.value.hint
    journal.close(finished=False)
    Journal(path).close(finished=True)


def test_a_killed_run_leaves_no_lock(path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from dfsubmit.output.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1])); print('locked', flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], stdout=subprocess.PIPE, check=False)
    assert done.stdout == b"locked\n"
    assert path.exists()
    Journal(path).close(finished=False)


def test_a_finished_run_leaves_no_journal(
    path: Path, files: list[MediaFile], make_result: Callable[..., FileResult]
) -> None:
    journal = Journal(path)
    journal.start_over(CONDITIONS)
    journal.append(files[0], make_result("a", 0.5))
    assert path.exists()
    journal.close(finished=True)
    assert not path.exists()


def test_a_run_that_never_began_leaves_no_journal(path: Path, files: list[MediaFile]) -> None:
    journal = Journal(path)
    journal.resume(files, CONDITIONS)
    journal.close(finished=False)
    assert not path.exists()


def test_a_folder_that_is_not_there_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing can be written") as caught:
        Journal(tmp_path / "gone" / "s.journal.jsonl")
    assert "--output" in caught.value.hint


def test_lines_are_on_disk_as_soon_as_they_are_noted(
    path: Path, files: list[MediaFile], make_result: Callable[..., FileResult]
) -> None:
    journal = Journal(path)
    journal.start_over(CONDITIONS)
    journal.append(files[0], make_result("a", 0.5))
    lines = [json.loads(line) for line in path.read_text().split()]
    assert lines[0]["conditions"]["tta"] == ["none"]
    assert lines[1]["result"]["filename"] == "a"
    journal.close(finished=True)


def test_names_keep_their_bytes(
    path: Path, tmp_path: Path, make_result: Callable[..., FileResult]
) -> None:
    name = os.fsdecode(b"caf\xe9\n.mp4")
    file = MediaFile(tmp_path / name, name, 5, 6)
    journal = Journal(path)
    journal.start_over(CONDITIONS)
    journal.append(file, make_result(name, 0.5))
    journal.close(finished=False)
    assert set(resumed(path, [file])) == {name}
