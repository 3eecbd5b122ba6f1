"""Escaping of untrusted text in a Markdown document.

In: names, messages and cards of any content. Out: Markdown that shows them as plain text.
"""

from __future__ import annotations

import re

from dfsubmit.console import printable

_MARKS = re.compile(r"([\\`*_\[\]|#~!])")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_UNDERLINE = re.compile(r"\s{0,3}(=+|-+)\s*")


def inline(value: object) -> str:
    """One line, fit for a heading, a list or a cell; line breaks are shown as escapes."""
    text = printable(str(value)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKS.sub(r"\\\1", text)


def demoted(document: str) -> str:
    """A document as a part of another: headings two levels down, HTML shown as text.

    Code blocks stay as they are; one that is not closed is closed at the end.
    """
    lines: list[str] = []
    fence = ""
    for line in document.splitlines():
        mark = _FENCE.match(line)
        if fence:
            lines.append(line)
            closes = mark is not None and mark.group(1).startswith(fence)
            fence = "" if closes and not line.strip(" " + fence[0]) else fence
        elif mark:
            fence = mark.group(1)
            lines.append(line)
        else:
            lines.append(_demoted(line))
    return "\n".join([*lines, fence] if fence else lines)


def _demoted(line: str) -> str:
    line = line.replace("<", "&lt;")
    if line.lstrip().startswith("#"):
        return f"##{line.lstrip()}"
    # A line of = or - would make a heading of the line above.
    return f"\\{line.lstrip()}" if _UNDERLINE.fullmatch(line) else line
