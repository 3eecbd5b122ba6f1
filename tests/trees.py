"""Data sets of empty files, in the layout of real ones."""

from __future__ import annotations

from pathlib import Path

from dfsubmit.extraction.sources import Source


def touch(root: Path, *names: str) -> None:
    """Make empty files, with their folders."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def by_name(sources: list[Source]) -> dict[str, Source]:
    """Sources by their name in the data set; no two may share one."""
    found = {source.name: source for source in sources}
    assert len(found) == len(sources)
    return found


def groups_of(sources: list[Source]) -> dict[str, str]:
    """The identity group of each source, by name."""
    from dfsubmit.extraction.groups import identity_groups

    groups = identity_groups([source.identities for source in sources])
    return dict(zip((source.name for source in sources), groups, strict=True))
