"""File names that are not UTF-8: finding them, and the command that renames them.

They come from archives in another encoding, such as Korean zips (cp949) unpacked on Linux. Python
represents their bytes as surrogate escapes.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from dfsubmit.console import counted, printable

_READERS = "pandas, and whoever else reads submission.csv as UTF-8, refuses the whole file"


def not_utf8(names: Iterable[str]) -> list[str]:
    """The names whose bytes are not UTF-8, in their order."""
    return [name for name in names if not _is_utf8(name)]


def not_utf8_problem(names: Iterable[str], folder: Path) -> str:
    """The message about names that are not UTF-8; "" if all are.

    Args:
        names: of files below `folder`, relative to it.
        folder: for the command that renames them.
    """
    bad = not_utf8(names)
    if not bad:
        return ""
    encoding = "cp949" if all(_decoded(name) for name in bad) else "ENCODING"
    first = printable(bad[0])
    if encoding == "cp949":
        first += f", in cp949 {printable(_decoded(bad[0]))}"
    place = shlex.quote(str(folder))
    # convmv leaves names alone that are UTF-8 already.
    what = f"-r {place}" if any("/" in name for name in bad) else f"{place}/*"
    verb = "is" if len(bad) == 1 else "are"
    return (
        f"{counted(len(bad), 'file name')} {verb} not UTF-8 (the first: {first}): {_READERS}; "
        f"rename and run again: convmv -f {encoding} -t utf-8 --notest {what}"
    )


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _decoded(name: str) -> str:
    """The name read as cp949; "" where it is not that."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("cp949")
    except UnicodeError:
        return ""
