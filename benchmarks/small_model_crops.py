"""The crops that the small model was made from, as CSV files for ``dfsubmit extract``.

    python benchmarks/small_model_crops.py CROPS OUT

CROPS holds ``manifest.tsv`` (see docs/small-model.md). Writes OUT/dfdc.csv and OUT/ffpp.csv: the
original video is the group, and the manifest's own split is kept. OUT/crops links to CROPS, so that
no path of this machine gets into what is made from them.
"""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

COLUMNS = ("path", "label", "group", "method", "split")
# The FaceForensics++ crops are named by method and sequence: df_image_131_13.png.
METHODS = {"df": "Deepfakes", "ff": "Face2Face", "fs": "FaceSwap", "nt": "NeuralTextures"}


def main(crops: Path, out: Path) -> None:
    """Write one CSV for each data set of the manifest."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "crops").exists():
        (out / "crops").symlink_to(crops.resolve())
    tables: dict[str, list[dict[str, str]]] = {"dfdc": [], "ffpp": []}
    with (crops / "manifest.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            dataset, split = row["path"].split("/")[:2]
            facts = re.search(r"original=(\w+)|sequence (\d+)", row["notes"])
            prefix = Path(row["path"]).name.split("_")[0]
            method = METHODS.get(prefix, dataset) if row["label"] == "fake" else "original"
            tables[dataset].append(
                {
                    "path": f"crops/{row['path']}",
                    "label": row["label"],
                    "group": next(filter(None, facts.groups())) if facts else "",
                    "method": method,
                    "split": split,
                }
            )
    for dataset, rows in tables.items():
        # Eight FaceForensics++ sequences stand on both sides of the manifest's split. Their
        # validation crops stay, so their other crops may not teach.
        validated = {row["group"] for row in rows if row["split"] == "val"}
        rows = [r for r in rows if r["split"] == "val" or r["group"] not in validated]
        with (out / f"{dataset}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
