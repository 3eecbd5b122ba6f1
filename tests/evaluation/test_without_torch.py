"""What compares and evaluates scores needs no torch, no OpenCV and no dlib."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from scores_samples import make_run


@pytest.mark.parametrize("name", ["compare", "evaluate"])
def test_torch_is_never_loaded(tmp_path: Path, name: str) -> None:
    scores, labels = make_run(tmp_path)
    code = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "from dfsubmit.cli import main\n"
        f"main([{name!r}, {str(scores)!r}, '--labels', {str(labels)!r}], standalone_mode=False)\n"
        "assert not any(key.startswith('torch.') for key in sys.modules)\n"
        "assert not {'cv2', 'dlib', 'dlib_bin'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "macro F1" in done.stdout
