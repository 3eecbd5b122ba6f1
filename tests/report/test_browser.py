"""The page in a real browser: by mouse, by keyboard, without JavaScript, light, dark and narrow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import axe_core, chromium, synthetic_run, visit

from dfsubmit.report.making import ReportOptions, make_report

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="the dev extra brings playwright, which drives Chromium"
)

NAMES = [f"clip {number:02}.mp4" for number in range(20)]
HOSTILE = [
    "<script>alert(1)</script>.mp4",
    '"><img src=x onerror=alert(1)>.mp4',
    "' onmouseover='alert(1).mp4",
    "{{ 7 * 7 }}.mp4",
    "a" * 180 + ".mp4",
    "\u202egpj.exe",
    "한글 이름, 아주 긴 파일 이름입니다.mp4",
    "#q=x&sort=p.mp4",
]
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = chromium()
    if path is None:
        pytest.skip("no Chromium is installed (Debian's package chromium, or $CHROMIUM)")
    with sync_api.sync_playwright() as playwright:
        # As root, which containers are, Chromium has no sandbox.
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """``make(names, …)``: the page of a run of files with those names, made once."""
    made: dict[tuple[object, ...], Path] = {}

    def page_of(names: list[str], language: str = "en", **options: Any) -> Path:
        key = (tuple(names), language, *sorted(options))
        if key not in made:
            folder = tmp_path_factory.mktemp("page")
            scores = synthetic_run(folder, names, options.get("faces", True))
            if options.pop("assets", False):
                options["assets"] = folder / "pictures"
            made[key] = make_report(
                ReportOptions(
                    [scores],
                    labels=folder / "labels.csv",
                    language=language,
                    progress=False,
                    **options,
                )
            ).path
        return made[key]

    return page_of


@pytest.mark.parametrize("assets", [False, True])
def test_all_pictures_are_shown_and_nothing_else_is_asked_for(
    browser: Any, make: Make, assets: bool
) -> None:
    page = make(NAMES, **({"assets": True} if assets else {}))
    with visit(browser, page) as seen:
        seen.page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
        seen.page.locator("img").evaluate_all("all => all.forEach(one => one.loading = 'eager')")
        seen.until("[...document.images].every(one => one.complete)")
        widths = seen.page.evaluate("[...document.images].map(one => one.naturalWidth)")
        assert len(widths) > 2 * len(NAMES)
        assert min(widths) > 0
        pictures = [address for address in seen.requests if address.endswith(".webp")]
    assert bool(pictures) is assets


def test_columns_sort_both_ways(browser: Any, make: Make) -> None:
    with visit(browser, make(NAMES)) as seen:
        header = seen.page.locator("th[data-sort=p]")
        header.get_by_role("button").click()
        assert header.get_attribute("aria-sort") == "descending"
        first = seen.names()
        assert first[:2] == ["clip 18.mp4", "clip 17.mp4"]
        assert {"clip 04.mp4", "clip 19.mp4"} < set(first[-4:])  # without a p: last
        header.get_by_role("button").click()
        assert header.get_attribute("aria-sort") == "ascending"
        assert seen.names()[:2] == ["clip 00.mp4", "clip 01.mp4"]
        assert {"clip 04.mp4", "clip 19.mp4"} < set(seen.names()[-4:])
        seen.page.locator("th[data-sort=name] button").click()
        assert seen.names() == NAMES
        assert header.get_attribute("aria-sort") is None


def test_filters_and_search_narrow_and_survive_a_reload(browser: Any, make: Make) -> None:
    with visit(browser, make(NAMES)) as seen:
        page = seen.page
        assert page.locator("#count").inner_text() == "20 files"
        page.get_by_label("No face", exact=True).check()
        assert sorted(seen.names()) == [f"clip {n:02}.mp4" for n in (4, 9, 14, 19)]
        page.get_by_label("Search").fill("CLIP 1")
        seen.until("location.hash.includes('q=')")
        assert sorted(seen.names()) == ["clip 14.mp4", "clip 19.mp4"]
        assert page.locator("#count").inner_text() == "2 of 20 files"
        page.locator("th[data-sort=name] button").click()
        page.locator("th[data-sort=name] button").click()
        before = seen.names()
        seen.reload()
        assert seen.names() == before == ["clip 19.mp4", "clip 14.mp4"]
        assert page.locator("th[data-sort=name]").get_attribute("aria-sort") == "descending"
        assert page.get_by_label("Search").input_value() == "CLIP 1"
        page.get_by_label("Search").fill("nothing like it")
        page.locator("#none").wait_for()
        page.get_by_role("button", name="Show all").click()
        assert len(seen.names()) == 20
        page.get_by_label("Wrong").check()
        wrong = seen.names()
        assert 0 < len(wrong) < 20
        page.get_by_label("Status").select_option("no_face")
        assert set(seen.names()) < set(wrong)
        page.get_by_role("button", name="Show all").click()
        page.locator("#label").select_option("1")
        assert "clip 18.mp4" in seen.names()
        assert "clip 01.mp4" not in seen.names()


def test_a_file_opens_by_keyboard_and_stays_open(browser: Any, make: Make) -> None:
    with visit(browser, make(NAMES)) as seen:
        page = seen.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.tagName") == "SUMMARY":
                break
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"
        page.keyboard.press("Enter")
        seen.until("location.hash.includes('open=')")
        opened = page.locator("tbody.file:has(details[open])")
        name = opened.locator(".name").text_content()
        assert opened.locator(".crops img").count() > 0
        assert opened.get_by_role("img").first.get_attribute("alt")
        seen.reload()
        assert page.locator("tbody.file:has(details[open]) .name").text_content() == name
        header = page.locator("th[data-sort=p] button")
        header.focus()
        page.keyboard.press("Space")
        assert page.locator("th[data-sort=p]").get_attribute("aria-sort") == "descending"


def test_a_mistake_leads_to_its_file(browser: Any, make: Make) -> None:
    with visit(browser, make(NAMES), "#noface=1") as seen:
        link = seen.page.locator("#mistakes a").first
        name = link.locator(".name").text_content()
        link.click()
        opened = seen.page.locator("tbody.file:has(details[open])")
        opened.wait_for()
        assert opened.locator(".name").text_content() == name
        # Below the table's header, which stays at the top.
        bottom = "document.querySelector('.files thead').getBoundingClientRect().bottom"
        top = "document.querySelector('tbody:has(details[open])').getBoundingClientRect().top"
        seen.until(f"{bottom} <= {top} && {top} < innerHeight / 2")


def test_without_javascript_all_files_are_there_and_open(browser: Any, make: Make) -> None:
    with visit(browser, make(NAMES), script=False) as seen:
        assert sorted(seen.names()) == NAMES
        assert not seen.page.locator("#tools").is_visible()
        row = seen.page.locator("tbody.file", has_text="clip 18.mp4")
        assert not row.locator(".inside").is_visible()
        row.locator("summary").click()
        assert row.locator(".inside").is_visible()


def test_names_are_text_and_nothing_else(browser: Any, make: Make) -> None:
    with visit(browser, make(HOSTILE)) as seen:
        shown = [name.replace("\\u202e", "\u202e") for name in seen.names()]
        assert sorted(shown) == sorted(HOSTILE)
        seen.page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
        seen.page.locator("tbody.file .name").first.hover()
        seen.page.get_by_label("Search").fill("<script>")
        seen.until("document.getElementById('count').textContent.startsWith('1 ')")
        assert seen.names() == [HOSTILE[0]]
        seen.reload()
        assert seen.names() == [HOSTILE[0]]
        assert seen.page.get_by_label("Search").input_value() == "<script>"


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_narrow_screen_does_not_scroll_sideways(browser: Any, make: Make, language: str) -> None:
    narrow: dict[str, Any] = {
        "viewport": {"width": 360, "height": 740},
        "is_mobile": True,
        "has_touch": True,
    }
    with visit(browser, make(HOSTILE, language), **narrow) as seen:
        seen.page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
        width = seen.page.evaluate("document.documentElement.scrollWidth")
        assert width == 360
        outside = seen.page.evaluate(
            "[...document.body.querySelectorAll('*:not(.hidden):not(.skip)')]"
            ".filter(one => one.getBoundingClientRect().right > 361)"
            ".map(one => one.outerHTML.slice(0, 99))"
        )
        assert outside == []


def test_dark_and_light_differ(browser: Any, make: Make) -> None:
    colours = []
    for scheme in ("light", "dark"):
        with visit(browser, make(NAMES), color_scheme=scheme) as seen:
            colours.append(
                seen.page.evaluate(
                    "[document.body, document.querySelector('section')].map(one => {"
                    "const style = getComputedStyle(one);"
                    "return [style.backgroundColor, style.color]})"
                )
            )
    light, dark = colours
    assert all(one != other for one, other in zip(light, dark, strict=True))


def test_on_paper_it_is_light_and_holds_what_was_opened(browser: Any, make: Make) -> None:
    paper = {"width": 718, "height": 1047}  # A4 within Chromium's margins
    with visit(browser, make(NAMES), "#open=f3", color_scheme="dark", viewport=paper) as seen:
        seen.page.emulate_media(media="print")
        colours = seen.page.evaluate(
            "[document.body, document.querySelector('section')]"
            ".map(one => getComputedStyle(one).backgroundColor)"
        )
        assert colours == ["rgb(255, 255, 255)"] * 2
        assert seen.page.locator("details:visible").count() == 1
        assert seen.page.locator("#f3 .inside").is_visible()
        assert seen.page.locator("#f3 svg.spark").is_visible()  # as on a wide screen
        assert seen.page.evaluate("document.documentElement.scrollWidth") == 718
        outside = "[...document.querySelectorAll('main *')].filter(one => one.matches('td, th, p'))"
        outside += ".filter(one => one.getBoundingClientRect().right > 719).length"
        assert seen.page.evaluate(outside) == 0


@pytest.mark.parametrize(
    ("language", "scheme", "width"),
    [("en", "light", 1280), ("ko", "dark", 1280), ("en", "dark", 360)],
)
def test_axe_finds_no_violation(
    browser: Any, make: Make, language: str, scheme: str, width: int
) -> None:
    rules = axe_core()
    if rules is None:
        pytest.skip("axe-core is not here (.ci/run fetches it with npm, or $AXE_CORE names it)")
    size = {"width": width, "height": 800}
    with visit(browser, make(NAMES, language), color_scheme=scheme, viewport=size) as seen:
        seen.page.locator("details").evaluate_all(
            "all => all.slice(0, 6).forEach(d => d.open = true)"
        )
        seen.page.evaluate(rules.read_text(encoding="utf-8"))
        found = seen.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        told = [
            f"{entry['id']}: {entry['help']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for entry in found["violations"]
            for node in entry["nodes"][:3]
        ]
        assert told == []


@pytest.mark.slow
def test_1500_files_are_ready_and_answer(
    browser: Any, make: Make, record_testsuite_property: Callable[[str, object], None]
) -> None:
    page = make([f"file-{number:04}.mp4" for number in range(1500)], faces=False)
    began = time.perf_counter()
    with visit(browser, page) as seen:
        seconds = time.perf_counter() - began
        record_testsuite_property("report_1500_seconds_to_ready", round(seconds, 2))
        assert seen.page.locator("#count").inner_text() == "1500 files"
        seen.page.get_by_label("Search").fill("file-1234")
        seen.until("!document.getElementById('count').textContent.startsWith('1500')")
        assert seen.names() == ["file-1234.mp4"]
