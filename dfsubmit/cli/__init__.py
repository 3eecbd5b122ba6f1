"""The command line: a group whose commands are imported only when they are called.

``dfsubmit --help`` must answer at once, so this module imports nothing heavier than click. A
command's module imports its heavy libraries inside the command.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import Any

import click

from dfsubmit._version import __version__
from dfsubmit.cli.help import GroupedCommands
from dfsubmit.cli.settings import Settings, defaults_of, load_settings
from dfsubmit.console import guard_standard_streams, note, output_error, reset_verbosity, say
from dfsubmit.errors import DfsubmitError, Exit, did_you_mean

# command: (module in this package, one line of help), in the order in which a project meets them.
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "Score a folder of media and write submission.csv."),
    "check": ("check", "Check a submission.csv against its data folder."),
    "merge": ("merge", "Combine the outputs of --shard."),
    "plugins": ("plugins", "List plugins, aggregators, detectors, model loaders."),
    "doctor": ("doctor", "Show what is installed and what would stop a run."),
    "models": ("models", "List model folders, or fetch the baseline."),
    "config": ("config", "Show which options hold, and where they come from."),
    "samples": ("samples", "Make a small folder of sample media."),
    "extract": ("finetuning.extract", "Extract face crops from a data set, for fine-tuning."),
    "finetune": ("finetuning.finetune", "Fine-tune an image classifier on extracted faces."),
    "soup": ("finetuning.soup", "Average models of several seeds into one model."),
    "compare": ("evaluation.compare", "Compare aggregators on cached frame scores."),
    "evaluate": ("evaluation.evaluate", "Evaluate one submission or scores file in detail."),
    "report": ("evaluation.report", "Make an HTML page of a run."),
    "calibrate": ("evaluation.calibrate", "Fit temperature and threshold for a model."),
    "stress": ("evaluation.stress", "Score degraded variants of labelled media."),
    "package": ("bundle.package", "Build a competition bundle."),
    "rehearse": ("bundle.rehearse", "Run a bundle under the server's rules."),
    "submit": ("bundle.submit", "Send a rehearsed bundle."),
    "ledger": ("bundle.ledger", "List submissions and their scores."),
}


SECTIONS = {"Score": "", "Fine-tune": "finetuning", "Evaluate": "evaluation", "Submit": "bundle"}
"""The help's sections, each with the package of its commands."""


_RESUMES = "the same command continues where it stopped"
RESUMES = {"extract": _RESUMES, "finetune": _RESUMES, "stress": _RESUMES}
"""What is said of a command that Ctrl-C stopped, where that did not lose its work."""


class LazyGroup(GroupedCommands):
    """Finds commands in `COMMANDS` and turns deliberate errors into messages and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = importlib.import_module(f"dfsubmit.cli.{COMMANDS[name][0]}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no command {args[0]!r}; {did_you_mean(args[0], COMMANDS)}")
        name, command, rest = super().resolve_command(ctx, args)
        settings = ctx.find_object(Settings)
        if settings is not None and name and command is not None:
            ctx.default_map = {name: defaults_of(settings, name, command)}
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for title, room in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [
                        (name.ljust(width), text)
                        for name, (module, text) in COMMANDS.items()
                        if module.rpartition(".")[0] == room
                    ]
                )

    def main(self, *arguments: Any, **named: Any) -> Any:
        guard_standard_streams()
        reset_verbosity()
        own: Any = super().main
        if not named.pop("standalone_mode", True):
            return own(*arguments, **named, standalone_mode=False)
        try:
            code = own(*arguments, **named, standalone_mode=False)
        except click.ClickException as error:
            report(_as_ours(error))
            code = error.exit_code
        except click.Abort:  # a question that was not answered, or by no
            report(DfsubmitError("nothing was done"))
            code = int(Exit.FAILED_CHECK)
        code = code if isinstance(code, int) else int(Exit.OK)
        note(f"exit code {code}")
        sys.exit(code)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            helped = {"-h", "--help"} & set(ctx.args)
            ctx.obj = None if helped else load_settings(ctx.params.get("config"), COMMANDS)
            answer = super().invoke(ctx)
        except DfsubmitError as error:
            if _debugging():
                raise
            report(error)
            ctx.exit(int(error.exit_code))
        except KeyboardInterrupt:
            if _debugging():
                raise
            report(DfsubmitError("stopped", RESUMES.get(str(ctx.invoked_subcommand), "")))
            ctx.exit(int(Exit.INTERRUPTED))
        # A command that chose its exit code (`run`: the submission is written) does not come here.
        if lost := output_error():
            if lost.errno != errno.EPIPE:  # whose reader had enough
                report(DfsubmitError(f"stdout cannot be written: {lost.strerror}"))
            ctx.exit(int(Exit.FAILED_CHECK))
        return answer


def _debugging() -> bool:
    return "--debug" in sys.argv or os.environ.get("DFSUBMIT_DEBUG", "") not in ("", "0", "false")


def report(error: DfsubmitError) -> None:
    """Print a deliberate error and its hint on stderr."""
    say(f"error: {error.message}")
    if error.hint:
        say(f"  hint: {error.hint}")


def _as_ours(error: click.ClickException) -> DfsubmitError:
    """What click says of a call, in the form of all errors."""
    message = error.format_message().rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"{context.command_path} --help" if context is not None else ""
    return DfsubmitError(message[:1].lower() + message[1:], hint)


@click.group(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "DFSUBMIT",
        "max_content_width": 100,
    },
)
@click.option(
    "--config",
    metavar="FILE",
    help="Take options from this file; default: dfsubmit.toml, here or in a folder above.",
)
@click.version_option(__version__, prog_name="dfsubmit")
def main(config: str | None) -> None:
    """Deepfake-detection competition submissions: media in, submission.csv out."""


__all__ = ["COMMANDS", "Exit", "main", "report"]
