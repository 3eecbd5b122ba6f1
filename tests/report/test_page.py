"""The page says what the scores say, in both languages, and nothing in a name becomes markup."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pages import read_html, rows
from scores_samples import make_failure, make_result, make_run

from dfsubmit.errors import UsageError
from dfsubmit.evaluation.evaluate import evaluate
from dfsubmit.evaluation.labels import read_labels
from dfsubmit.output.scores import read_scores, write_scores
from dfsubmit.output.submission import write_submission
from dfsubmit.records import FileResult, Status
from dfsubmit.report import making
from dfsubmit.report.making import Made, ReportOptions, make_report
from dfsubmit.report.texts import LANGUAGES, Words, default_language

HOSTILE = [
    "<script>alert(1)</script>.png",
    '"><img src=x onerror=alert(1)>.mp4',
    "' onload='alert(1).mp4",
    "{{ 7 * 7 }}{% raw %}.mp4",
    "line\nfeed\x1b[31m.mp4",
    "\u202egpj.exe",
    "not-utf8-\udcff.mp4",
    "한글 이름.mp4",
]


def make(*scores: Path, **options: object) -> Made:
    """The page of scores, in English."""
    values = {"progress": False, "language": "en", **options}
    return make_report(ReportOptions(scores, **values))  # type: ignore[arg-type]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """``write(result, …)``: their scores file."""

    def write(*results: FileResult, name: str = "a") -> Path:
        path = tmp_path / f"{name}.scores.jsonl"
        write_scores(path, results)
        return path

    return write


def test_every_file_has_its_row_with_the_numbers_of_scores_and_csv(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path, n=40)
    results = [*read_scores(scores), make_failure("none.mp4")]
    write_scores(scores, results)
    labelled = [(result.filename, result.label) for result in results]
    write_submission(tmp_path / "submission.csv", labelled)
    with labels.open("a") as stream:
        stream.write("none.mp4,0,g1,\n")
    page = read_html(make(scores, labels=labels).path)
    shown = rows(page)
    with (tmp_path / "submission.csv").open() as stream:
        given = {row["filename"]: row["label"] for row in csv.DictReader(stream)}
    assert {name: row["data-label"] for name, row in shown.items()} == given
    for result in results:
        row = shown[result.filename]
        if result.p_fake is None:
            assert "data-p" not in row.attributes
            continue
        assert float(row["data-p"]) == result.p_fake
        value = next(cell for cell in row.all("td", "p"))
        assert value.text == f"{result.p_fake:.3f}"
    truth = read_labels(labels)
    wrong = {r.filename for r in results if truth[r.filename].label != r.label}
    assert {name for name, row in shown.items() if "data-wrong" in row.attributes} == wrong


def test_figures_are_those_of_evaluate_and_mistakes_come_most_confident_first(
    tmp_path: Path,
) -> None:
    scores, labels = make_run(tmp_path, n=60)
    page = read_html(make(scores, labels=labels).path)
    expected = evaluate(scores, read_labels(labels)).overall
    (metrics,) = (table for table in page.all("table") if table.attributes.get("id") == "metrics")
    cells = {next(row.all("th")).text: row.text for row in list(metrics.all("tr"))[1:]}
    assert f"{expected.metrics['auc']:.3f}" in cells["AUC"]
    low, high = expected.intervals["macro_f1"]
    assert f"[{low:.3f}, {high:.3f}]" in cells["macro F1"]
    (curve,) = (figure for figure in page.all("figure") if figure.attributes.get("id") == "roc")
    assert f"AUC {expected.metrics['auc']:.3f}" in curve.text
    (mistakes,) = page.all("ol", "mistakes")
    distances = [
        abs(float(next(item.all("span", "value")).text.removeprefix("p ")) - 0.5)
        for item in mistakes.all("li")
    ]
    assert distances
    assert distances == sorted(distances, reverse=True)
    assert re.search("true label (real, predicted fake|fake, predicted real)", mistakes.text)


def test_files_without_a_label_are_shown_and_left_out_of_the_figures(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path, n=20)
    lines = labels.read_text().splitlines()
    labels.write_text("\n".join(lines[:-4]) + "\n")
    page = read_html(make(scores, labels=labels).path)
    assert len(rows(page)) == 20
    assert "16 files, 8 fake." in page.text
    assert "Left out: 4 files without a true label" in page.text
    labels.write_text("filename,label\nabsent.mp4,1\n")
    with pytest.raises(UsageError, match=r"absent\.mp4"):
        make(scores, labels=labels)


def test_nothing_in_a_name_becomes_markup(write: Callable[..., Path]) -> None:
    names = HOSTILE
    results = [make_result(name, [0.2, 0.9]) for name in names]
    results[0].status, results[0].error = Status.ERROR, "<b>bold</b> & <script>x</script>"
    page = read_html(make(write(*results)).path)
    assert len(list(page.all("script"))) == 1
    assert not list(page.all("b"))
    assert not list(page.all("img"))
    shown = rows(page)
    assert len(shown) == len(names)
    assert names[0] in shown
    assert "line\\nfeed\\x1b[31m.mp4" in shown
    assert "\\u202egpj.exe" in shown
    assert "not-utf8-\\udcff.mp4" in shown
    assert "{{ 7 * 7 }}{% raw %}.mp4" in shown
    assert "<b>bold</b> & <script>x</script>" in shown[names[0]].text
    for element in page.all("tbody", "file"):
        for inside in (element, *element.inside):
            assert not any(name.startswith("on") for name in inside.attributes)


def test_the_page_asks_nothing_of_a_network_and_its_policy_forbids_it(
    write: Callable[..., Path],
) -> None:
    page = read_html(make(write(make_result("a.mp4", [0.1, 0.9]))).path)
    (policy,) = (m["content"] for m in page.all("meta") if "http-equiv" in m.attributes)
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["img-src"] == "data:"
    for tag in ("style", "script"):
        (element,) = page.all(tag)
        digest = hashlib.sha256("".join(element.parts).encode()).digest()
        assert directives[f"{tag}-src"] == f"'sha256-{base64.b64encode(digest).decode()}'"
        assert not re.search(r"https?:|//[a-z]|@import|url\(", "".join(element.parts))
    for element in page.inside:
        assert "style" not in element.attributes  # the policy would refuse it
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert element.attributes.get(name, "#").startswith(("#", "data:image/webp;base64,"))


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.OK])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_failure_says_why_and_what_to_try(
    status: Status, language: str, write: Callable[..., Path]
) -> None:
    failure = make_failure("a.mp4", status=status)
    failure.error = "the very reason"
    page = read_html(make(write(failure), language=language).path)
    (row,) = rows(page).values()
    t = Words(language)
    assert "the very reason" in row.text
    assert t(f"try_{status.value}") in row.text
    assert t("nothing_scored") in page.text


def test_the_languages_have_the_same_texts_with_the_same_places() -> None:
    english, korean = (Words(language).texts for language in LANGUAGES)
    assert list(english) == list(korean)
    for key, text in english.items():
        places = [sorted(re.findall(r"\{(\w+)[:}]", t)) for t in (text, korean[key])]
        assert places[0] == places[1], key


def test_the_language_goes_by_the_locale_and_by_the_option(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "ko_KR.UTF-8")
    assert default_language() == "ko"
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert default_language() == "en"
    page = read_html(make(write(make_result("a.mp4", [0.1])), language="ko").path)
    assert next(page.all("html"))["lang"] == "ko"
    assert "임계값" in page.text


def test_one_is_counted_in_the_singular(write: Callable[..., Path]) -> None:
    text = read_html(make(write(make_result("a.mp4", [0.2]))).path).text
    assert "1 scored file." in text
    assert not re.search(r"\b1 (scored )?(files|frames)\b", text)


def test_two_runs_side_by_side(write: Callable[..., Path]) -> None:
    first = write(
        make_result("a.mp4", [0.2]), make_result("b.mp4", [0.9]), make_result("c.mp4", [0.3])
    )
    second = write(make_result("a.mp4", [0.7]), make_result("b.mp4", [0.8]), name="b")
    page = read_html(make(first, second).path)
    shown = rows(page)
    assert next(shown["a.mp4"].all("td", "change")).text == "+0.500 → fake"
    assert next(shown["b.mp4"].all("td", "change")).text == "-0.100"
    assert "data-change" not in shown["c.mp4"].attributes
    assert [name for name, row in shown.items() if "data-changed" in row.attributes] == ["a.mp4"]
    assert list(shown) == ["a.mp4", "b.mp4", "c.mp4"]  # those that changed most come first
    assert "1 file is in the first run alone, 0 in the second." in page.text


def test_a_thousand_and_a_half_labelledfit_into_one_file(write: Callable[..., Path]) -> None:
    results = [
        make_result(f"{number:04d}.mp4", [((number * 37 + k) % 100) / 100 for k in range(40)])
        for number in range(1500)
    ]
    made = make(write(*results))
    assert made.size < 12_000_000
    assert made.path.read_text(encoding="utf-8").count('<tbody class="file"') == 1500


def test_more_files_than_a_page_holds_are_counted_and_the_most_telling_listed(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "PAGE_BYTES", 200_000)
    results = [make_result(f"{number:03d}.mp4", [number / 400] * 10) for number in range(400)]
    made = make(write(*results))
    assert made.size <= 200_000
    page = read_html(made.path)
    listed = [float(row["data-p"]) for row in rows(page).values()]
    assert 30 < len(listed) < 100
    assert max(abs(p - 0.5) for p in listed) < 0.15
    assert f"{len(listed)} of 400 files: wrong" in page.text
    assert next(page.all("span", "figure")).text == "400"


def test_metadata_are_shown_and_need_not_be_there(tmp_path: Path) -> None:
    scores, _ = make_run(tmp_path, n=4)
    assert "metadata" in read_html(make(scores).path).text
    meta = {
        "model": {"name": "my <model>", "fake_class": "Fake", "untrained": True},
        "warnings": ["be & careful"],
        "decision": {"aggregator": "mean", "temperature": 2.0, "threshold": 0.25},
        "seconds": {"total": 75.0},
    }
    (tmp_path / "submission.meta.json").write_text(json.dumps(meta))
    text = read_html(make(scores).path).text
    assert "my <model> (untrained" in text
    assert "be & careful" in text
    assert "1 min 15 s" in text
    assert "threshold 0.25" in text
    assert "at the temperature 2" in text


def test_what_is_no_scores_file_is_named(tmp_path: Path, write: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match=r"submission\.csv is no scores file"):
        make(tmp_path / "submission.csv")
    with pytest.raises(UsageError, match="no rows"):
        make(write())
    scores = write(make_result("a.mp4", [0.1]))
    with pytest.raises(UsageError, match="cannot be written"):
        make(scores, output=tmp_path)
    with pytest.raises(UsageError, match="--attention needs"):
        make(scores, attention=1)
