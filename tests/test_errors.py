"""Deliberate errors carry a message, a hint and the exit code that scripts see."""

from __future__ import annotations

import pytest

from dfsubmit import errors
from dfsubmit.errors import DfsubmitError, Exit, NotInstalled, did_you_mean


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.DfsubmitError, 1),
        (errors.UsageError, 2),
        (errors.ModelError, 2),
        (errors.PluginError, 2),
        (errors.NotInstalled, 5),
    ],
)
def test_each_kind_has_its_exit_code(kind: type[DfsubmitError], code: int) -> None:
    error = kind("it is broken", "mend it")
    assert isinstance(error, DfsubmitError)
    assert (error.message, error.hint, int(error.exit_code)) == ("it is broken", "mend it", code)
    assert str(error) == "it is broken"


def test_an_error_may_have_an_exit_code_of_its_own() -> None:
    assert DfsubmitError("no", exit_code=Exit.NOT_INSTALLED).exit_code == 5
    assert DfsubmitError("no").exit_code == 1


def test_a_missing_extra_names_the_line_that_cures_it() -> None:
    error = NotInstalled.extra("compare", "eval", "sklearn")
    assert "'compare'" in error.message
    assert "'sklearn'" in error.message
    assert error.hint == 'pip install "dfsubmit[eval]"'


def test_a_slip_of_the_keyboard_is_answered_with_the_nearest_names() -> None:
    assert did_you_mean("meen", ["mean", "max", "topk"]) == "did you mean 'mean'?"
    assert did_you_mean("media", ["median", "mean"]).startswith("did you mean 'median' or 'mean'")


def test_without_a_near_name_all_are_listed() -> None:
    assert did_you_mean("zzz", ["topk", "mean"]) == "known: mean, topk"
    assert did_you_mean("zzz", []) == "known: none"
