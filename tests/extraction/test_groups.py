"""Connected components of identity, against the slow and obvious way to find them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dfsubmit.extraction.groups import identity_groups

NAMES = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=3)


def test_a_chain_of_fakes_ties_everybody_in_it() -> None:
    groups = identity_groups([["000"], ["000", "003"], ["003"], ["003", "071"], ["500"]])
    assert groups == ["000", "000", "000", "000", "500"]


@given(st.lists(NAMES, max_size=12))
def test_groups_are_the_connected_components(items: list[list[str]]) -> None:
    groups = identity_groups(items)
    sets = [set(names) for names in items]
    for start in range(len(sets)):
        reached, grown = set(sets[start]), True
        while grown:
            before = len(reached)
            for names in sets:
                if names & reached:
                    reached |= names
            grown = len(reached) > before
        assert groups[start] == min(reached)
        for other, names in enumerate(sets):
            assert (groups[other] == groups[start]) == bool(names & reached)
