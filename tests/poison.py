"""Files that do something to the worker that they are handed to, as a broken decoder would."""

from __future__ import annotations

from dfsubmit.records import MediaFile


class Stubborn:
    """Pickles into something that ends the worker that unpickles it."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, (self.how,))


def poisoned(file: MediaFile, how: str) -> MediaFile:
    """A file whose hand-over does something to the worker, as a broken decoder would."""
    poison = MediaFile(file.path, "poisoned.mp4", file.size, file.mtime_ns)
    object.__setattr__(poison, "_poison", Stubborn(how))
    return poison
