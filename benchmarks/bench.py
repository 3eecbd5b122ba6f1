"""``make bench``: every way to run, in turn, on the same files, in one run.

    python -m benchmarks.bench MEDIA --out DIR [--files 12] [--rounds 3] [--modes b,c,…]

Each mode is a process of its own, and each round runs every mode once, so that what else the
machine does falls on all of them. Ratios are made within a round, then their median is taken.
Converting a model for OpenVINO, done once and cached, is not counted. Calibrating int8, which
depends on the files too, is: in the first round, and in the others it comes from the cache. So is
what a cascade scores in two precisions to learn its margin.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import measure
from benchmarks.model import make_model
from benchmarks.report import write_report

NAIVE = "b naive loop"

AGREED = 3.0
"""Mean of fake − real, in logits, of the model whose frames agree: p_fake is about 0.95."""


@dataclass(frozen=True)
class Mode:
    """One way to run.

    Attributes:
        module: of benchmarks, called with model, folder and output; "" is `dfsubmit run`.
        options: of `dfsubmit run`.
        needs: a module without which it is left out.
        agreeing: with a model whose frames agree, and lie far from the threshold. This gives early
            exit and a cascade as much to save as there is. A forward pass costs the same, the
            labels are others.
    """

    module: str = ""
    options: tuple[str, ...] = ()
    needs: str = ""
    agreeing: bool = False


_OPENVINO = ("--loader", "openvino", "--precision")
_BF16 = (*_OPENVINO, "bf16", "--recipe", "dfsubmit-fast")
_INT8 = (*_OPENVINO, "int8", "--recipe", "dfsubmit-fast")
_CASCADE = (*_OPENVINO, "cascade", "--recipe", "dfsubmit-fast")
MODES: dict[str, Mode] = {
    "a organiser's notebook": Mode("benchmarks.organiser"),
    NAIVE: Mode("benchmarks.naive"),
    "c exact, torch": Mode(options=("--loader", "huggingface")),
    "c exact, torch, report page": Mode(options=("--loader", "huggingface", "--report")),
    "c torch bf16": Mode(options=("--loader", "huggingface", "--precision", "bf16")),
    "d OpenVINO fp32": Mode(options=(*_OPENVINO, "fp32"), needs="dfsubmit_openvino"),
    "d OpenVINO bf16": Mode(options=(*_OPENVINO, "bf16"), needs="dfsubmit_openvino"),
    "d OpenVINO int8": Mode(options=(*_OPENVINO, "int8"), needs="nncf"),
    "d OpenVINO cascade": Mode(options=(*_OPENVINO, "cascade"), needs="nncf"),
    "g OpenVINO int8, frames agree": Mode(
        options=(*_OPENVINO, "int8"), needs="nncf", agreeing=True
    ),
    "g OpenVINO cascade, frames agree": Mode(
        options=(*_OPENVINO, "cascade"), needs="nncf", agreeing=True
    ),
    "e fast, OpenVINO bf16": Mode(options=_BF16, needs="dfsubmit_openvino"),
    "e fast, OpenVINO int8": Mode(options=_INT8, needs="nncf"),
    "f fast, bf16, early exit": Mode(options=(*_BF16, "--early-exit"), needs="dfsubmit_openvino"),
    "f fast, int8, early exit": Mode(options=(*_INT8, "--early-exit"), needs="nncf"),
    "f fast, bf16, early exit, frames agree": Mode(
        options=(*_BF16, "--early-exit"), needs="dfsubmit_openvino", agreeing=True
    ),
    "f fast, int8, early exit, frames agree": Mode(
        options=(*_INT8, "--early-exit"), needs="nncf", agreeing=True
    ),
    "f fast, cascade, early exit, frames agree": Mode(
        options=(*_CASCADE, "--early-exit"), needs="nncf", agreeing=True
    ),
}


def run_mode(name: str, model: Path, media: Path, out: Path) -> dict[str, Any]:
    """Run one mode once; what it cost, and what it said of each file."""
    mode = MODES[name]
    if mode.agreeing:
        model = agreeing_model(model)
    log = out / "log.txt"
    if mode.module:
        answer = out / "answer.json"
        command = [sys.executable, "-m", mode.module, str(model), str(media), str(answer)]
        cost = measure(command, log)
        return {"mode": name, **asdict(cost), "files": json.loads(answer.read_text())}
    submission = out / "submission.csv"
    command = [sys.executable, "-m", "dfsubmit", "run", str(media), "--model", str(model)]
    command += ["--no-fallback", "--no-resume", "--max-failures", "1", "--output", str(submission)]
    cost = measure([*command, *mode.options], log)
    meta = json.loads((out / "submission.meta.json").read_text())
    files = {}
    for line in (out / "submission.scores.jsonl").read_text().splitlines():
        row = json.loads(line)
        files[row["filename"]] = {
            "p_fake": row["p_fake"],
            "label": row["label"],
            "boxes": [frame["box"] for frame in row["frames"]],
            "indices": [frame["index"] for frame in row["frames"]],
        }
    kept = {key: meta[key] for key in ("seconds", "frames_classified", "frames_skipped")}
    return {"mode": name, "agreeing": mode.agreeing, **asdict(cost), **kept, "files": files}


def agreeing_model(model: Path) -> Path:
    """Where the same model lies with frames that agree."""
    return model.with_name(f"{model.name}-agreeing")


def choose_files(source: Path, target: Path, count: int) -> None:
    """Copy `count` videos, evenly chosen by name from those that show faces."""
    videos = sorted(path for path in source.glob("*.mp4") if not path.name.startswith("noface"))
    step = max(len(videos) / count, 1.0)
    target.mkdir(parents=True)
    for number in range(min(count, len(videos))):
        shutil.copy(videos[int(number * step)], target)


def warm_up(names: list[str], model: Path, media: Path, out: Path) -> None:
    """Let modes that convert the model fill their cache, with the first file, unmeasured."""
    one = out / "media"
    one.mkdir(parents=True)
    shutil.copy(sorted(media.iterdir())[0], one)
    for number, name in enumerate(names):
        folder = out / str(number)  # a run does not replace another model's submission
        folder.mkdir()
        run_mode(name, model, one, folder)


def available(names: list[str]) -> list[str]:
    """The modes whose packages are installed."""
    from importlib.util import find_spec

    return [name for name in names if not MODES[name].needs or find_spec(MODES[name].needs)]


def main() -> None:
    """Run everything and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench")
    parser.add_argument("media", type=Path, help="a folder of videos")
    parser.add_argument("--out", type=Path, default=Path("bench-results"))
    parser.add_argument("--files", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--modes", help="how their names begin, such as b,c,d; default: all")
    options = parser.parse_args()
    wanted = tuple(options.modes.split(",")) if options.modes else tuple(MODES)
    names = available([name for name in MODES if name.startswith(wanted)])
    shutil.rmtree(options.out, ignore_errors=True)
    media, model = options.out / "media", options.out / "model"
    choose_files(options.media, media, options.files)
    make_model(model, media)
    make_model(agreeing_model(model), media, mean=AGREED)
    warm_up([name for name in names if MODES[name].needs], model, media, options.out / "warm-up")
    results: list[dict[str, Any]] = []
    for number in range(options.rounds):
        for name in names:
            folder = options.out / f"round{number}-{names.index(name)}"
            folder.mkdir()
            load = os.getloadavg()[0]
            result = {"round": number, "load": load, **run_mode(name, model, media, folder)}
            results.append(result)
            print(
                f"round {number + 1}: {name}: {result['wall']:.1f} s, CPU {result['cpu']:.1f} s, "
                f"peak {result['peak'] / 2**20:.0f} MiB, load before {load:.1f}",
                flush=True,
            )
            (options.out / "results.json").write_text(json.dumps(results))
    print(write_report(results, NAIVE, options.out))


if __name__ == "__main__":
    main()
