"""Sample media, a tiny model, and a cluster that is simulated on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dfsubmit.output.summary import RunSummary
from dfsubmit.samples import make_samples, make_untrained_model

# Machines that are simulated on one share its cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``dfsubmit samples`` makes."""
    pytest.importorskip("skimage", reason="scikit-image brings the sample photograph")
    folder = tmp_path_factory.mktemp("made") / "samples"
    make_samples(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT folder with seeded random weights."""
    folder = tmp_path_factory.mktemp("made") / "model"
    make_untrained_model(folder)
    return folder


NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three machines, simulated on this one; the driver is connected."""
    ray = pytest.importorskip("ray", reason="the cluster needs Ray: pip install 'ray>=2.50,<3'")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # The machines' processes find what this one finds, and do not report usage.
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        made = Cluster(initialize_head=True, connect=False, head_node_args=NODE)
        try:
            for _ in range(2):
                made.add_node(**NODE)
            made.wait_for_nodes()
            ray.init(address=made.address, log_to_driver=False)
            yield made
        finally:
            ray.shutdown()
            made.shutdown()


@pytest.fixture(scope="session")
def check_same() -> Callable[[RunSummary, RunSummary], None]:
    """``check_same(ours, theirs)``: labels equal, p_fake within 1e-5, no row lost."""

    def check(ours: RunSummary, theirs: RunSummary) -> None:
        assert ours.submission.read_bytes() == theirs.submission.read_bytes()
        for mine, other in zip(ours.results, theirs.results, strict=True):
            assert (mine.filename, mine.status) == (other.filename, other.status)
            assert mine.p_fake == pytest.approx(other.p_fake, abs=1e-5)

    return check
