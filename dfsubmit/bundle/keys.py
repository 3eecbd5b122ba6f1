"""Keys in a bundle's files, and a key in texts that come back from a server.

In: files or lines. Out: what looks like a key, by detect-secrets' own detectors and a few patterns
for kinds that it does not know; and the user's own key, in every common spelling. A key itself is
never part of a message.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import importlib
import inspect
import json
import os
import pkgutil
import re
import urllib.parse
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dfsubmit.errors import NotInstalled

KEY_VARIABLE = "AIF_API_KEY"
HIDDEN = "[key]"

# Detectors of randomness take every hash for a key, and an address is none.
_LEFT_OUT = ("Base64HighEntropyString", "HexHighEntropyString", "IPPublicDetector")
_NAME = "[A-Z0-9_]*(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD)[A-Z0-9_]*"
_OWN_PATTERNS = (
    ("in the form of a UUID", r"(?i)\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"),
    ("of Hugging Face", r"\bhf_[A-Za-z0-9]{20,}\b"),
    ("of OpenAI or Anthropic", r"\bsk-[A-Za-z0-9_-]{20,}"),
    ("of GitHub", r"\bgithub_pat_[A-Za-z0-9_]{20,}"),
    ("written out", r"(?i)\b(?:api[_-]?|aif[_-]?)?key\b[\"']?\s*[=:]\s*[\"'][^\"'\s\\]{12,}[\"']"),
    ("written out", r"--api-key[= ]+[\"']?[^\s\"'{$\\-][^\s\"'\\]{7,}"),
    ("of the environment", rf"\b{_NAME}=[\"']?(?=[^\s\"']*\d)[^\s\"'\\${{}}()]{{12,}}"),
)
_PATTERNS = tuple((kind, re.compile(pattern)) for kind, pattern in _OWN_PATTERNS)
# detect-secrets looks for words like these, at length; most lines have none of them.
_WORDS = re.compile(r"(?i)key|pass|pwd|secret|contrase")
_PIECE, _OVERLAP = 1 << 24, 4096


def find_keys(folder: Path, paths: list[str]) -> list[str]:
    """Files that hold a key, by its looks or because it is the one in the environment.

    Args:
        folder: a bundle.
        paths: of its files, relative to it.

    Raises:
        NotInstalled: detect-secrets is missing.
    """
    own = os.environ.get(KEY_VARIABLE, "").strip()
    own_spellings = [text.encode() for text in spellings(own)]
    own_as_it_is = [own.encode()] if own else []
    reasons: dict[str, None] = {}
    for path in paths:
        for member, content in _contents(folder / path):
            where = f"{path}!{member}" if member else path
            # Weights and images are noise to the patterns, and large; the own key is looked for as
            # it is in them, too.
            is_text = b"\0" not in content[:8192]
            if any(text in content for text in (own_spellings if is_text else own_as_it_is)):
                reasons[f"{where} holds the key of {KEY_VARIABLE}"] = None
            elif is_text:
                for kind in _kinds(_Text(content, Path(member or path).name)):
                    reasons[f"{where} holds a key {kind}"] = None
    return list(reasons)


def spellings(key: str) -> list[str]:
    """A key as it may stand in an answer or a file: as it is, escaped, in hex, in Base64 …

    Longest first, so that replacing them in turn leaves no rest; empty for an empty key.
    """
    if not key:
        return []
    raw = key.encode()
    found = {key, key[::-1], json.dumps(key)[1:-1], html.escape(key), raw.hex(), raw.hex().upper()}
    found |= {
        urllib.parse.quote(key),
        urllib.parse.quote(key, safe=""),
        urllib.parse.quote_plus(key),
        repr(key)[1:-1],
    }
    found |= {"".join(f"%{byte:02{case}}" for byte in raw) for case in "xX"}
    for shift in range(3):
        # What stands before and behind a key changes the first and last signs of its Base64.
        padded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        first, last = (0, 2, 3)[shift], -1 if (shift + len(raw)) % 3 else None
        text = padded[first:last]
        if len(text) >= 8:
            found |= {text, text.replace("+", "-").replace("/", "_")}
    return sorted(found | {text.lower() for text in found}, key=len, reverse=True)


def without_key(line: str, key: str) -> str:
    """A line with the key, in any common spelling, replaced by `HIDDEN`."""
    for spelling in spellings(key):
        line = re.sub(re.escape(spelling), HIDDEN, line, flags=re.IGNORECASE)
    return line


class _Text:
    """A file's content, known by its hash: a bundle is looked at more than once."""

    def __init__(self, content: bytes, name: str) -> None:
        self.content, self.name = content, name
        self.digest = hashlib.sha256(content).digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Text) and (self.digest, self.name) == (other.digest, other.name)

    def __hash__(self) -> int:
        return hash((self.digest, self.name))


@functools.lru_cache(maxsize=2048)
def _kinds(text: _Text) -> tuple[str, ...]:
    content = text.content.decode("utf-8", "replace")
    text.content = b""  # the cache needs the hash alone
    if text.name.endswith((".json", ".ipynb")):
        # Behind backslashes, quotes are not seen as such.
        content += "\n" + "\n".join(_strings_in(content))
    found = {kind for kind, pattern in _PATTERNS if pattern.search(content)}
    keyword, others = _detectors()
    found |= {f"({one.secret_type})" for one in others if any(one.analyze_string(content))}
    suspicious = (line for line in content.splitlines() if _WORDS.search(line))
    if any(keyword.analyze_line(text.name, line) for line in suspicious):
        found.add(f"({keyword.secret_type})")
    return tuple(sorted(found))


@functools.cache
def _detectors() -> tuple[Any, list[Any]]:
    """detect-secrets' detector of telling names, and its others."""
    try:
        from detect_secrets import plugins
        from detect_secrets.plugins.base import BasePlugin
    except ImportError as error:
        raise NotInstalled.extra("package", "bundle", "detect-secrets") from error
    found = {
        name: one
        for module in pkgutil.iter_modules(plugins.__path__, f"{plugins.__name__}.")
        for name, one in inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
        if issubclass(one, BasePlugin) and not inspect.isabstract(one)
    }
    usable = {name: one() for name, one in sorted(found.items()) if name not in _LEFT_OUT}
    return usable.pop("KeywordDetector"), list(usable.values())


def _strings_in(content: str) -> Iterator[str]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return
    rest = [value]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            rest += [*value, *value.values()]
        elif isinstance(value, list):
            # A notebook's cell is a list of lines.
            rest += value
        elif isinstance(value, str):
            yield value


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """A file's bytes in pieces that overlap, and for a wheel those of its members."""
    if path.is_symlink():
        return
    if path.suffix == ".whl" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for item in archive.infolist():
                yield item.filename, archive.read(item)
        return
    overlap = b""
    with path.open("rb") as stream:
        while chunk := stream.read(_PIECE):
            yield "", overlap + chunk
            overlap = chunk[-_OVERLAP:]
