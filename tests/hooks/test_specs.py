"""Specs such as ``topk:k=5``: parsed, bound with the right types, or refused with a hint."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfsubmit.errors import UsageError
from dfsubmit.hooks.interfaces import RegisteredAggregator
from dfsubmit.hooks.specs import aggregator_parameters, bind_aggregator, parse_spec
from dfsubmit.records import FrameScores


def _rule(
    scores: FrameScores,
    k: int = 3,
    share: float = 0.5,
    strict: bool = False,
    mode: str = "low",
) -> float:
    return {"low": 0.0, "high": 1.0}[mode]


AGGREGATORS = {
    "rule": RegisteredAggregator("rule", _rule, "tests", frozenset()),
    "plain": RegisteredAggregator("plain", lambda scores: 0.25, "tests", frozenset()),
}


def test_a_name_alone_has_no_parameters() -> None:
    assert parse_spec(" mean ") == ("mean", {})


def test_parameters_are_split() -> None:
    assert parse_spec("topk: k = 5 , w=a=b") == ("topk", {"k": "5", "w": "a=b"})


@pytest.mark.parametrize(
    "spec", ["", "  ", ":k=5", "topk:", "topk: ", "topk:k", "topk:k=", "topk:=5", "topk:k=1,k=2"]
)
def test_another_form_is_refused(spec: str) -> None:
    with pytest.raises(UsageError, match="aggregator"):
        parse_spec(spec)


WORD = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
VALUE = st.from_regex(r"[A-Za-z0-9.=:+-]{1,8}", fullmatch=True)


@given(WORD, st.dictionaries(WORD, VALUE, min_size=1, max_size=4))
def test_what_is_written_as_a_spec_is_read_back(name: str, parameters: dict[str, str]) -> None:
    spec = f"{name}:" + ",".join(f"{key}={value}" for key, value in parameters.items())
    assert parse_spec(spec) == (name, parameters)


@given(st.text())
def test_any_text_is_a_spec_or_refused(text: str) -> None:
    try:
        name, parameters = parse_spec(text)
    except UsageError:
        return
    assert name
    assert all(key and value for key, value in parameters.items())


def test_values_take_the_type_of_their_defaults() -> None:
    bound = bind_aggregator("rule:strict=true,share=0.25,k=7,mode=high", AGGREGATORS)
    assert bound.parameters == {"k": 7, "share": 0.25, "strict": True, "mode": "high"}
    assert bound.parameters["strict"] is True
    assert bound.spec == "rule:k=7,mode=high,share=0.25,strict=True"


def test_the_canonical_spec_binds_to_the_same() -> None:
    bound = bind_aggregator("rule:strict=0,share=.5", AGGREGATORS)
    again = bind_aggregator(bound.spec, AGGREGATORS)
    assert (again.spec, again.parameters) == (bound.spec, bound.parameters)


def test_the_bound_aggregator_is_called_with_its_parameters(
    make_scores: Callable[..., FrameScores],
) -> None:
    assert bind_aggregator("rule:mode=high", AGGREGATORS)(make_scores(0.5)) == 1.0
    assert bind_aggregator("plain", AGGREGATORS)(make_scores(0.5)) == 0.25


def test_without_declared_bounds_there_are_none(make_scores: Callable[..., FrameScores]) -> None:
    assert bind_aggregator("plain", AGGREGATORS).bounds(make_scores(0.5), 3) is None


def test_bounds_get_the_same_parameters(make_scores: Callable[..., FrameScores]) -> None:
    def bounds(scores: FrameScores, remaining: int, k: int = 1) -> tuple[float, float]:
        return (k / 10, float(remaining))

    registered = RegisteredAggregator("b", lambda scores, k=1: k, "tests", frozenset(), bounds)
    assert bind_aggregator("b:k=4", {"b": registered}).bounds(make_scores(0.5), 2) == (0.4, 2.0)


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ("rule:k=2.5", "int"),
        ("rule:k=many", "int"),
        ("rule:share=nan", "float"),
        ("rule:share=inf", "float"),
        ("rule:share=half", "float"),
        ("rule:strict=maybe", "bool"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(spec: str, named: str) -> None:
    with pytest.raises(UsageError, match=f"is not of type {named}"):
        bind_aggregator(spec, AGGREGATORS)


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no aggregator 'rul'") as caught:
        bind_aggregator("rul", AGGREGATORS)
    assert "'rule'" in caught.value.hint
    with pytest.raises(UsageError, match="no parameter 'shape'") as caught:
        bind_aggregator("rule:shape=1", AGGREGATORS)
    assert "'share'" in caught.value.hint


def test_parameters_are_listed_with_their_defaults() -> None:
    assert aggregator_parameters(AGGREGATORS["rule"]) == {
        "k": 3,
        "share": 0.5,
        "strict": False,
        "mode": "low",
    }


def test_a_rule_of_a_plugin_that_is_not_installed_names_the_plugin() -> None:
    with pytest.raises(UsageError, match="no aggregator 'median'") as caught:
        bind_aggregator("median", AGGREGATORS, "other.py: SyntaxError")
    assert "dfsubmit-aggregators: pip install ./plugins/dfsubmit-aggregators" in caught.value.hint
    assert "did not load: other.py" in caught.value.hint
