"""A key is found however it is spelled, and taken out of what is kept."""

from __future__ import annotations

import base64
import json
import os
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from dfsubmit.bundle.keys import HIDDEN, find_keys, spellings, without_key
from dfsubmit.bundle.variables import child_environment

KEY = 'K+y/of=the "owner"&1'
SPELLED: list[Callable[[str], str]] = [
    str,
    str.upper,
    lambda key: key[::-1],
    lambda key: json.dumps({"message": key}),
    urllib.parse.quote,
    urllib.parse.quote_plus,
    lambda key: urllib.parse.quote(key, safe=""),
    lambda key: "".join(f"%{byte:02X}" for byte in key.encode()),
    lambda key: key.encode().hex(),
    lambda key: base64.b64encode(key.encode()).decode(),
    lambda key: base64.urlsafe_b64encode(key.encode()).decode(),
    lambda key: base64.b64encode(f"user:{key}".encode()).decode(),
    lambda key: base64.b64encode(f"ab{key}cd".encode()).decode(),
]


@pytest.mark.parametrize("spell", SPELLED)
def test_a_key_is_taken_out_in_every_common_spelling(spell: Callable[[str], str]) -> None:
    line = without_key(f"before {spell(KEY)} after", KEY)
    assert HIDDEN in line
    assert not any(text.lower() in line.lower() for text in spellings(KEY))
    assert line.startswith("before ")
    assert line.endswith(" after")


def test_without_a_key_nothing_is_taken_out() -> None:
    assert spellings("") == []
    assert without_key("a line", "") == "a line"


def test_the_own_key_is_found_in_other_spellings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIF_API_KEY", KEY)
    for number, spell in enumerate(SPELLED[3:]):
        (tmp_path / f"{number}.txt").write_text(spell(KEY))
    (tmp_path / "weights").write_bytes(b"\0" + KEY.encode())
    names = sorted(path.name for path in tmp_path.iterdir())
    assert find_keys(tmp_path, names) == [f"{name} holds the key of AIF_API_KEY" for name in names]


def test_children_are_given_a_list_of_harmless_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AIF_API_KEY", "HF_TOKEN", "WHATEVER", "PIP_INDEX_URL", "https_proxy", "LC_ALL"):
        monkeypatch.setenv(name, "x")
    inside, outside = child_environment(network=False), child_environment(network=True)
    assert {"PATH", "LC_ALL"} <= inside.keys() <= outside.keys()
    assert outside.keys() - inside.keys() >= {"PIP_INDEX_URL", "https_proxy"}
    assert not outside.keys() & {"AIF_API_KEY", "HF_TOKEN", "WHATEVER", "PYTHONPATH"}
    assert "PIP_INDEX_URL" not in inside
    assert os.environ["HF_TOKEN"] == "x"
