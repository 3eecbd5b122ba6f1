"""Files that do something to the worker that they are handed to, as a broken decoder would."""

from __future__ import annotations

from pathlib import Path

from dfsubmit.records import MediaFile


class Stubborn:
    """Pickles into something that ends the worker that unpickles it."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, (self.how,))


class Poisoned(MediaFile):
    """A file that hands something over to the worker that takes it."""

    load: object

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return _as_file, (self.path, self.name, self.size, self.mtime_ns, self.load)


def _as_file(path: Path, name: str, size: int, mtime_ns: int, _: object) -> MediaFile:
    return MediaFile(path, name, size, mtime_ns)


def poisoned(file: MediaFile, how: str) -> MediaFile:
    """A file whose hand-over does something to the worker, as a broken decoder would."""
    return loaded(MediaFile(file.path, "poisoned.mp4", file.size, file.mtime_ns), Stubborn(how))


def loaded(file: MediaFile, load: object) -> MediaFile:
    """The same file, which hands `load` over to the worker."""
    poison = Poisoned(file.path, file.name, file.size, file.mtime_ns)
    object.__setattr__(poison, "load", load)
    return poison
