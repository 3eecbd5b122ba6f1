"""Remarks on the identity groups of a data set, for the user before a split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from dfsubmit.console import first_few
from dfsubmit.extraction.faceforensics import NOT_JOINED, not_joined
from dfsubmit.extraction.groups import identity_groups
from dfsubmit.extraction.sources import Source


def remarks(sources: Sequence[Source], layout: str) -> list[str]:
    """Which identities were assumed, which are unknown, and which contradict a given split.

    Args:
        sources: of one data set.
        layout: its name in `layouts.LAYOUTS`.
    """
    lines = []
    groups = identity_groups([source.identities for source in sources])
    files = Counter(zip(groups, (source.label for source in sources), strict=True))
    ((largest, _), size), *_ = files.most_common(1)
    if size == 1 and len(sources) > 2:
        lines.append(
            "no group has two files of a class: where several files are frames of one video, or "
            "show one person, figures will not hold; give each video a folder of its own, or list "
            "the files in a CSV with a column 'group'"
        )
    elif layout == "real-fake":
        example = sources[groups.index(largest)].name
        lines.append(
            f"names alone say which files belong together: {len(set(groups)):,} groups, the "
            f"largest, that of {example}, with {groups.count(largest):,} files; where that is "
            "wrong, list the files in a CSV with a column 'group'"
        )
    if not_joined(source.identities for source in sources):
        lines.append(f"{NOT_JOINED}; --video-ids FILE joins them")
    torn = _torn(sources)
    if torn:
        lines.append(
            f"{len(torn)} stand on two sides of the split that comes with the data: "
            f"{first_few(torn, 20)}"
        )
    return lines


def _torn(sources: Sequence[Source]) -> list[str]:
    """The identities that a given split has on several sides, with a file of each."""
    files: dict[str, dict[str, Source]] = defaultdict(dict)
    # A real file comes first: it shows one identity alone.
    for source in sorted(sources, key=lambda source: (source.label, source.name)):
        for identity in source.identities if source.split else ():
            files[identity].setdefault(source.split, source)
    return [
        f"{identity} ({', '.join(f'{split}: {found[split].name}' for split in sorted(found))})"
        for identity, found in sorted(files.items())
        if len(found) > 1
    ]
