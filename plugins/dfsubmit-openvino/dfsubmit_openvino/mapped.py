"""A stored graph whose weights stay in their file, for a process that must be small."""

from __future__ import annotations

import mmap
import sys
import threading
from pathlib import Path

import numpy as np

from dfsubmit_openvino.runtime import load_openvino, openvino_core
from dfsubmit_openvino.store import GRAPH, WEIGHTS

_SECONDS = 0.1


class MappedGraph:
    """An `openvino.Model` over a mapped file, whose pages are given back again and again.

    OpenVINO and NNCF read each weight once or twice, and copy what they need. The pages that they
    have read would otherwise count as this process's memory until it ends: 340 MiB for ViT-Base. A
    page that is needed again is read again.

    Args:
        folder: of a stored graph that nobody changes meanwhile.

    Attributes:
        graph: the model; usable for as long as this object lives.
    """

    def __init__(self, folder: Path) -> None:
        with (folder / WEIGHTS).open("rb") as stream:
            # Private to this process and never written, though OpenVINO asks for writable memory.
            self._pages = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
        weights = load_openvino().Tensor(np.frombuffer(self._pages, np.uint8), shared_memory=True)
        self.graph = openvino_core().read_model((folder / GRAPH).read_text("utf-8"), weights)
        self._weights = weights
        self._over = threading.Event()
        if sys.platform == "linux":  # elsewhere the advice has another meaning, or none
            threading.Thread(target=self._give_back, daemon=True).start()

    def _give_back(self) -> None:
        while not self._over.wait(_SECONDS):
            self._pages.madvise(mmap.MADV_DONTNEED)
