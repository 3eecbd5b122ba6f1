"""Help pages: options in groups, metavars of one kind, and the values of a choice listed in full.

click's own formatter draws them, so that ``--help`` imports nothing more.
"""

from __future__ import annotations

from collections import defaultdict

import click

# Parameters of all commands by the group that shows them, in the order of the groups.
GROUPS: dict[str, str] = {
    "Input": "data recursive shard labels faces dataset label_from compression methods video_ids "
    "limit already_cropped hold_out allow_shared split val variant reference comparison stress "
    "plugins",
    "Model": "model base new_head teacher image_size preset list_presets name aggregator recipe "
    "frames threshold raw tta fake_label loader fallback no_fallback calibration",
    "Learning": "epochs eval_batch_size accumulate gradient_checkpointing lr "
    "weight_decay warmup schedule eval_steps patience augment balance self_blend tune "
    "label_smoothing ema split_seed",
    "Speed": "device precision batch_size workers executor early_exit time_limit min_frames memory "
    "cpus",
    "Failures": "failure_label no_face max_failures per_file_timeout resume force",
    "Statistics": "samples seed hidden errors expect_files",
    "Output": "output report target max_size no_faces assets attention lang report_to "
    "as_json wide csv markdown plot keep_features keep_media zip "
    "save_precision dry_run progress",
}
_GROUP_OF = {name: group for group, names in GROUPS.items() for name in names.split()}
_OTHERS = "Other options"
_FEWEST = 8
_WIDEST_NAME = 27
_METAVARS = {
    "integer": "N",
    "integer range": "N",
    "float": "X",
    "float range": "X",
    "text": "NAME",
    "span": "TIME",
    "byte_size": "SIZE",
    "output_file": "FILE",
}
"""By the name of a click type, or of the function of `dfsubmit.cli.values` that is one."""


class GroupedOptions(click.Command):
    """A command whose help shows more than a few options in the groups of `GROUPS`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found: dict[str, list[tuple[str, str]]] = defaultdict(list)
        options = [item for item in self.get_params(ctx) if isinstance(item, click.Option)]
        for option in options:
            if not option.hidden:
                group = _GROUP_OF.get(str(option.name), _OTHERS)
                found["Options" if len(options) < _FEWEST else group].append(_record(option, ctx))
        names = [name for rows in found.values() for name, _ in rows if len(name) <= _WIDEST_NAME]
        width = max(map(len, names), default=0)
        for title in ("Options", *GROUPS, _OTHERS):
            if found[title]:
                with formatter.section(title):
                    formatter.write_dl(
                        [(name.ljust(width), text) for name, text in found[title]], width
                    )
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)


class GroupedCommands(GroupedOptions, click.Group):
    """The same for a command that has commands."""


def metavar(option: click.Parameter) -> str:
    """What stands for an option's value: FILE, DIR, NAME, N, X and the like; "" for a flag."""
    if isinstance(option, click.Option) and (option.is_flag or option.count):
        return ""
    if option.metavar:
        return option.metavar
    kind = option.type
    if isinstance(kind, click.Path):
        return "DIR" if not kind.file_okay else "FILE" if not kind.dir_okay else "PATH"
    return "NAME" if isinstance(kind, click.Choice) else _METAVARS.get(kind.name, kind.name.upper())


def _record(option: click.Option, ctx: click.Context) -> tuple[str, str]:
    """The two columns of an option's line."""
    short = [name for name in option.opts if not name.startswith("--")]
    long = [*(name for name in option.opts if name.startswith("--")), *option.secondary_opts]
    value = metavar(option)
    name = (
        (f"{short[0]}, " if short else "    ") + " / ".join(long) + (f" {value}" if value else "")
    )
    extra = option.get_help_extra(ctx)
    notes = (
        [", ".join(map(str, option.type.choices))] if isinstance(option.type, click.Choice) else []
    )
    notes += [f"default: {extra['default']}"] if "default" in extra else []
    notes += [extra["range"].replace("x", value)] if "range" in extra else []
    notes += ["required"] if option.required else []
    return name, " ".join(filter(None, [option.help, f"[{'; '.join(notes)}]" if notes else ""]))
