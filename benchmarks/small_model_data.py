"""What the small model is made from and tested on, as one CSV a domain for ``dfsubmit extract``.

    python benchmarks/small_model_data.py DATA OUT

DATA holds ``crops/`` and ``domains/``, each with its ``manifest.tsv`` (see docs/small-model.md).
Writes OUT/DOMAIN.csv. OUT/data links to DATA, so that no path of this machine gets into what is
made from the files.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import defaultdict
from hashlib import sha256
from pathlib import Path

Row = dict[str, str]
COLUMNS = ("path", "label", "group", "method", "split")
# The FaceForensics++ crops are named by method and sequence: df_image_131_13.png.
METHODS = {"df": "Deepfakes", "ff": "Face2Face", "fs": "FaceSwap", "nt": "NeuralTextures"}
# The videos of FaceForensics++: five pairs are too few to be dealt at random. Sequence 183 is also
# among the crops that teach, so its pair has to teach too.
PAIRS = {
    "183_253": "train",
    "469_481": "train",
    "672_720": "train",
    "585_599": "val",
    "866_878": "test",
}
# Never learned from, nor chosen on.
UNSEEN = {"utkface", "talk", "vasa1"}


def crops(data: Path) -> dict[str, list[Row]]:
    """The face crops: the group is the original video, the split the manifest's."""
    tables: dict[str, list[Row]] = defaultdict(list)
    for row in _manifest(data / "crops"):
        dataset, split = row["path"].split("/")[:2]
        facts = re.search(r"original=(\w+)|sequence (\d+)", row["notes"])
        group = next(filter(None, facts.groups())) if facts else ""
        method = METHODS.get(Path(row["path"]).name.split("_")[0], dataset)
        tables[f"{dataset}-crops"].append(_entry("crops", row, group, method, split))
    for name, rows in tables.items():
        # Eight FaceForensics++ sequences stand on both sides of the manifest's split. Their
        # validation crops stay, so their other crops may not teach.
        validated = {row["group"] for row in rows if row["split"] == "val"}
        tables[name] = [r for r in rows if r["split"] == "val" or r["group"] not in validated]
    return tables


def domains(data: Path) -> dict[str, list[Row]]:
    """The other domains: the group is the pair or the person of a video, and each picture."""
    tables: dict[str, list[Row]] = defaultdict(list)
    for row in _manifest(data / "domains"):
        domain, group, method = row["domain"], row["group"], row["domain"]
        if row["kind"] == "image":
            group = Path(row["path"]).stem
        if domain == "ffpp":
            first = Path(row["path"]).stem[:3]
            group = next(pair for pair in PAIRS if first in pair)
            method = row["path"].split("/")[2]
        split = "test" if domain in UNSEEN else PAIRS.get(group) or dealt(f"{domain}/{group}")
        tables[domain].append(_entry("domains", row, group, method, split))
    return tables


def dealt(group: str) -> str:
    """20 % of the groups are for testing and 15 % for validation, the same on every machine."""
    place = int(sha256(group.encode()).hexdigest()[:8], 16) / 16**8
    return "test" if place < 0.2 else "val" if place < 0.35 else "train"


def _manifest(folder: Path) -> list[Row]:
    with (folder / "manifest.tsv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def _entry(root: str, row: Row, group: str, method: str, split: str) -> Row:
    method = method if row["label"] == "fake" else "original"
    values = (f"data/{root}/{row['path']}", row["label"], group, method, split)
    return dict(zip(COLUMNS, values, strict=True))


def main(data: Path, out: Path) -> None:
    """Write one CSV for each domain."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "data").exists():
        (out / "data").symlink_to(data.resolve())
    for name, rows in {**crops(data), **domains(data)}.items():
        with (out / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
