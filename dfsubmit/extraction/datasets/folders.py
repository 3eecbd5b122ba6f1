"""Folders of one's own: ``real/`` and ``fake/``, or paths in which a pattern finds the label."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from dfsubmit.console import first_few, warn
from dfsubmit.errors import UsageError
from dfsubmit.extraction.names import shared_names
from dfsubmit.extraction.sources import (
    SPLITS,
    Source,
    Wanted,
    identity_name,
    may_be_media,
    media_files,
)
from dfsubmit.labels import FAKE, LABELS, REAL, label_of_folder, read_label
from dfsubmit.media.listing import list_media

_FIELDS = ("label", "group", "method", "split")
_TOKEN = re.compile(r"\{(\w+)\}|(\*\*/)|(\*\*)|(\*)")
_HINT = "such as '{label}/{group}/*' or '{split}/{label}/{method}/{group}_*.png'"
_WORDS = {
    REAL: "original originals genuine authentic pristine bonafide".split(),
    FAKE: "fakes deepfake deepfakes manipulated synthesized synthetic forged spoof".split(),
}
_SPLIT_WORDS = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}


def is_real_fake(root: Path) -> bool:
    """Whether the folder holds ``real/`` and ``fake/``."""
    return all((root / name).is_dir() for name in LABELS)


def real_fake(root: Path, wanted: Wanted) -> Iterator[Source]:
    """The files of ``real/`` and ``fake/``; see `layouts.find_sources`. With `Wanted.recursive`
    those of such folders at any depth: the nearest one labels a file.

    Files are tied by `names.shared_names`, within the folder that holds ``real/`` and ``fake/``.
    """
    dataset = root.resolve().name
    sets: dict[Path, dict[int, list[Path]]] = defaultdict(lambda: {REAL: [], FAKE: []})
    if wanted.recursive:
        left_out = []
        for file in list_media(root, recursive=True):
            label = label_of_folder(file.name)
            if label is None:
                left_out.append(file.name)
            elif may_be_media(file.path):
                folder = next(path for path in file.path.parents if path.name.lower() in LABELS)
                sets[folder.parent][label].append(file.path.relative_to(folder.parent))
        _say_left_out(root, left_out)
    else:
        for name, label in LABELS.items():
            sets[root][label] += [path.relative_to(root) for path in media_files(root / name)]
    for base, inner in sorted(sets.items()):
        above = base.relative_to(root).as_posix()
        within = {label: [Path(*p.parts[1:]) for p in inner[label]] for label in inner}
        people = shared_names(within[REAL], within[FAKE])
        for label, name in ((REAL, "original"), (FAKE, "fake")):
            for path, shown in zip(inner[label], people[label], strict=True):
                place = dataset if above == "." else f"{dataset}/{above}"
                yield Source(
                    base / path,
                    (base / path).relative_to(root).as_posix(),
                    label,
                    dataset,
                    name,
                    tuple(identity_name(place, person) for person in shown),
                )


def labelled_folder(root: Path, wanted: Wanted) -> Iterator[Source]:
    """The files whose path, relative to the folder, fits `Wanted.label_from`; see
    `layouts.find_sources`.

    A pattern is a path with ``{label}`` in it and, where the paths say it, ``{group}`` (who is to
    be seen), ``{method}`` and ``{split}``. ``*`` stands for anything without a slash, ``**`` for
    anything. Labels are real, fake, 0, 1 and usual words for them. Without ``{group}`` each file is
    taken for another person's.

    Raises:
        UsageError: no pattern, or one that cannot be meant; no path fits; or it finds a label or a
            split that is none.
    """
    if wanted.label_from is None:
        raise UsageError("the layout 'folder' needs --label-from", _HINT)
    pattern = _compiled(wanted.label_from)
    dataset = root.resolve().name
    left_out: list[str] = []
    unknown: Counter[str] = Counter()
    for path in media_files(root):
        name = path.relative_to(root).as_posix()
        match = pattern.fullmatch(name)
        if match is None:
            left_out.append(name)
            continue
        said = match.groupdict()
        label = _label(said["label"])
        split = said.get("split", "").lower()
        split = _SPLIT_WORDS.get(split, split)
        if label is None:
            unknown[said["label"]] += 1
            continue
        if split not in ("", *SPLITS):
            raise UsageError(f"{root}: {name}: {split!r} is no split", "train, val or test")
        usual = "original" if label == REAL else "fake"
        group = identity_name(dataset, said.get("group") or name)
        method = said.get("method") or usual
        yield Source(path, name, label, dataset, method, (group,), split=split)
    if unknown:
        words = [f"{word} ({count:,} files)" for word, count in unknown.most_common()]
        known = ", ".join(["real", "fake", "0", "1", *_WORDS[REAL], *_WORDS[FAKE]])
        raise UsageError(
            f"{root}: --label-from {wanted.label_from!r} finds labels that are none: "
            f"{first_few(words)}",
            f"labels are {known}; for other words list the files in a CSV: path,label[,group,…]",
        )
    _say_left_out(root, left_out)


def _say_left_out(root: Path, names: list[str]) -> None:
    if names:
        warn(f"{root}: left out, for their paths say no label: {len(names):,} ({first_few(names)})")


def _label(word: str) -> int | None:
    usual = {known: label for label, words in _WORDS.items() for known in words}
    label = read_label(word)
    return usual.get(word.strip().casefold()) if label is None else label


def _compiled(template: str) -> re.Pattern[str]:
    """A pattern as a regular expression over paths with slashes."""
    names = re.findall(r"\{(.*?)\}", template)
    wrong = [name for name in names if name not in _FIELDS]
    if wrong or names.count("label") != 1 or len(set(names)) != len(names):
        fault = f"no field {{{wrong[0]}}}" if wrong else "each field once, and {label} among them"
        raise UsageError(f"--label-from {template!r}: {fault}", _HINT)
    made, end = "", 0
    for token in _TOKEN.finditer(template):
        made += re.escape(template[end : token.start()])
        end = token.end()
        field, above, anything, _ = token.groups()
        if field:
            made += f"(?P<{field}>[^/]+?)"
        else:
            made += "(?:.*/)?" if above else ".*" if anything else "[^/]*"
    return re.compile(made + re.escape(template[end:]), re.DOTALL)
