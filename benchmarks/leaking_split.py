"""Several altered copies of each crop: what a split by frame does, made small (docs/validation.md).

    python benchmarks/leaking_split.py CROPS OUT [VIDEOS] [COPIES]

CROPS holds ``manifest.tsv`` (see docs/small-model.md). Writes OUT/copies.csv for ``dfsubmit
extract``: COPIES of the real and the fake crop of each of VIDEOS original videos, moved and
degraded a little, as the frames of one video are; and the validation crops, which only test.
"""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

import cv2
import numpy as np

from dfsubmit.finetuning.data.augment import STRENGTHS, degrade, reframe
from dfsubmit.finetuning.data.dataset import read_crop


def main(crops: Path, out: Path, videos: int = 300, copies: int = 6) -> None:
    """Write the copies and their CSV."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "crops").exists():
        (out / "crops").symlink_to(crops.resolve())
    by_video: dict[str, list[dict[str, str]]] = {}
    tests = []
    with (crops / "manifest.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            original = re.search(r"original=(\w+)", row["notes"])
            if original and row["path"].startswith("dfdc/train/"):
                by_video.setdefault(original.group(1), []).append(row)
            elif original:
                tests.append((f"crops/{row['path']}", row["label"], original.group(1), "test"))
    chance = np.random.default_rng(0)
    chosen = [name for name in sorted(by_video) if len(by_video[name]) == 2]
    strength = STRENGTHS["standard"]
    assert strength is not None
    lines = []
    for name in chance.permutation(chosen)[:videos]:
        for row in by_video[name]:
            crop = read_crop(crops / row["path"])
            for copy in range(copies):
                path = Path("copies", Path(row["path"]).stem, f"{copy}.png")
                (out / path).parent.mkdir(parents=True, exist_ok=True)
                altered = degrade(reframe(crop, strength, chance), strength, chance)
                cv2.imwrite(str(out / path), altered[:, :, ::-1])
                lines.append((str(path), row["label"], name, ""))
    with (out / "copies.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("path", "label", "group", "split"))
        writer.writerows(lines + tests)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *(int(number) for number in sys.argv[3:]))
