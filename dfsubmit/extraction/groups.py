"""Identity groups: connected components over shared identities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def identity_groups(identities: Iterable[Sequence[str]]) -> list[str]:
    """The group of each item, given the identities that each shows.

    Two items are in one group when a chain of shared identities joins them: the fake ``000_003``
    joins everything of 000 with everything of 003.

    Args:
        identities: for each item, at least one name.

    Returns:
        for each item, the name of its group: the first of the group's identities in alphabetical
        order, so that it does not depend on the order of the items.

    >>> identity_groups([["a"], ["b"], ["b", "a"], ["c"]])
    ['a', 'a', 'a', 'c']
    """
    items = [list(names) for names in identities]
    parent: dict[str, str] = {name: name for names in items for name in names}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]  # halve the path, so that chains stay short
            name = parent[name]
        return name

    for names in items:
        for name in names[1:]:
            first, second = sorted((root(names[0]), root(name)))
            parent[second] = first
    return [root(names[0]) for names in items]
