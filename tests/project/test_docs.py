"""What the pages say of options, defaults, environment variables and tests is what the code has."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import click
import pytest

from dfsubmit.cli import COMMANDS, main
from dfsubmit.recipe import BUILT_IN

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("", "docs", "docs/ko", "models", "submit", "plugins", "plugins/dfsubmit-*")
PAGES = sorted(page for folder in FOLDERS for page in ROOT.glob(f"{folder}/*.md".lstrip("/")))
FOREIGN_OPTIONS = {"--help", "--config", "--no-deps", "--gres"}
"""Options of every command, and of other programs, that a page names by themselves."""
OTHER_NAMES = {
    "DFSUBMIT_DEBUG",
    "DFSUBMIT_SHARED",
    "DFSUBMIT_HOOKS",
    "DFSUBMIT_MODEL_FOLDERS",
    "DFSUBMIT_CONFIG",
    "DFSUBMIT_COMPLETE",
}
"""Environment variables that belong to no option, and what a plugin says of itself."""


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _options() -> dict[str, dict[str, click.Option]]:
    """Every option by its name, then by the command that has it."""
    found: dict[str, dict[str, click.Option]] = defaultdict(dict)

    def add(command: click.Command | None, name: str) -> None:
        assert command is not None
        if isinstance(command, click.Group):
            for inner in command.commands.values():
                add(inner, name)
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                for option in (*parameter.opts, *parameter.secondary_opts):
                    if option.startswith("--"):
                        found[option][name] = parameter

    for name in COMMANDS:
        add(main.get_command(click.Context(main), name), name)
    return found


OPTIONS = _options()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_named_option_exists_and_takes_the_named_choice(page: Path) -> None:
    for name, value in re.findall(
        r"`(--[a-z][a-z-]*)(?: ([^`\s]+))?[^`]*`", page.read_text(encoding="utf-8")
    ):
        if name in FOREIGN_OPTIONS:
            continue
        assert name in OPTIONS, f"no command has {name}"
        choices = [
            option.type.choices
            for option in OPTIONS[name].values()
            if isinstance(option.type, click.Choice)
        ]
        if value.islower() and len(choices) == len(OPTIONS[name]):
            assert any(value in taken for taken in choices), f"{name} does not take {value}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_named_environment_variable_sets_an_option(page: Path) -> None:
    known = set(OTHER_NAMES)
    for name, commands in OPTIONS.items():
        variable = name.removeprefix("--").replace("-", "_").upper()
        for command in commands:
            known.add(f"DFSUBMIT_{'' if command == 'run' else command.upper() + '_'}{variable}")
    named = set(re.findall(r"DFSUBMIT_[A-Z_]+[A-Z]", page.read_text(encoding="utf-8")))
    assert named <= known


def _as_stated(default: object) -> str:
    """A default as a page writes it: 120.0 is 120, and what is set without a unit is that."""
    return f"{default:g}" if isinstance(default, float) else str(default)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_stated_default_is_the_codes(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    # `--option value`, the default
    stated = re.findall(r"`(--[a-z-]+) ([^`]+)`, the default", text)
    # `--option` (5 %), `--option` (120 s), `--option` (2 GB by default)
    stated += [
        (name, re.sub(r"\s", "", value))
        for name, value in re.findall(r"`(--[a-z-]+)`\s?\((?:기본 )?(\d[\d.]*\s?(?:%|GB)?)", text)
    ]
    for name, value in stated:
        defaults = {_as_stated(option.default) for option in OPTIONS[name].values()}
        assert value in defaults, f"{name} is {defaults} by default, not {value}"


def test_the_pages_state_defaults_in_the_form_that_is_checked() -> None:
    text = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
    assert "`--failure-label real`, the default" in text
    assert "`--max-failures` (5 % by default)" in text
    assert "`--per-file-timeout` (120 s)" in (ROOT / "docs/reliability.md").read_text("utf-8")


def test_the_recipes_are_described_with_their_values() -> None:
    text = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
    recipe = BUILT_IN["dfsubmit"]
    assert (
        f"| `dfsubmit` | the default: {recipe.frames} frames, dlib's HOG detector on frames at most"
        f" {recipe.detection_width} wide, {recipe.margin} of the box added on each side" in text
    )
    recipe = BUILT_IN["organiser-baseline"]
    assert f"| `organiser-baseline` | exactly the organiser's notebook: {recipe.frames} frames" in (
        text
    )


def test_the_guide_has_a_row_for_every_option_of_finetune() -> None:
    text = (ROOT / "docs" / "fine-tuning.md").read_text(encoding="utf-8")
    table = text.split("## Choices", 1)[1].split("\n## ", 1)[0]
    named = set(re.findall(r"`(--[a-z-]+)", table))
    own = {name for name, commands in OPTIONS.items() if "finetune" in commands}
    # Where the model goes needs no source; the opposite of an option that is named.
    assert own - named <= {"--output", "--progress"}


def test_every_promise_is_held_by_a_test_that_exists() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    named = re.findall(r"`(?:tests/)?([a-z_/]+\.py)`", text)
    assert len(named) > 20
    missing = {name for name in named if not (ROOT / "tests" / name).is_file()}
    assert not missing
