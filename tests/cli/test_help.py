"""Help pages: groups, metavars of one kind, every value of a choice; all within 80 columns."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from dfsubmit.cli import COMMANDS, main
from dfsubmit.cli.help import GROUPS, GroupedOptions, metavar


def _commands() -> dict[str, click.Command]:
    """Every command by its name, those of groups too."""
    found = {}
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {inner}": item for inner, item in command.commands.items()}
    return found


ALL = _commands()


def help_of(name: str) -> str:
    result = CliRunner().invoke(main, [*name.split(), "--help"], terminal_width=80)
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize("name", ALL)
def test_a_help_page_fits_80_columns_and_lists_every_value(name: str) -> None:
    assert isinstance(ALL[name], GroupedOptions)
    text = help_of(name)
    assert max(map(len, text.splitlines())) <= 80
    words = " ".join(text.split())
    for option in ALL[name].params:
        if not isinstance(option, click.Option):
            continue
        assert metavar(option) == metavar(option).upper()
        assert metavar(option) not in ("TEXT", "PATH", "INTEGER", "STRING")
        assert f"{option.opts[-1]} {metavar(option)}".strip() in words
        if isinstance(option.type, click.Choice):
            assert f"[{', '.join(option.type.choices)}" in words


def test_options_stand_in_groups() -> None:
    lines = help_of("run").splitlines()
    titles = [line.removesuffix(":") for line in lines if line.endswith(":") and line[0] != " "]
    assert titles == ["Input", "Model", "Speed", "Failures", "Output", "Other options"]
    under = {title: lines.index(f"{title}:") for title in titles}
    place = next(number for number, line in enumerate(lines) if "--no-face NAME" in line)
    assert under["Failures"] < place < under["Output"]


def test_a_short_page_has_one_group() -> None:
    assert "\nOptions:\n" in help_of("check")
    assert "Input:" not in help_of("check")


def test_a_group_names_options_that_exist() -> None:
    known = {parameter.name for command in ALL.values() for parameter in command.params}
    named = {name for names in GROUPS.values() for name in names.split()}
    assert named <= known


def test_commands_stand_by_what_people_do() -> None:
    text = CliRunner().invoke(main, ["--help"]).output
    order = ["Score:", "  run ", "Fine-tune:", "  extract ", "Evaluate:", "  compare ", "Submit:"]
    places = [text.index(title) for title in order]
    assert places == sorted(places)
