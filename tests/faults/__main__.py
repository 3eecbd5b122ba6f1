"""``python tests/faults``: break everything that a run may meet, and count what is lost.

Seeded; prints cases, survived, rows lost and hangs for each part, and exits with 1 unless every
case survived and nothing was lost.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import hangs
import streams
from bombs import QUICK, bombs
from clock import short_clocks
from daemons import escaping_daemons
from decoding import decoded_clips
from disk import full_disks
from hangs import hanging_runs
from kills import killed_runs
from ledgers import ledger_races
from media import damaged_media
from setting import Tally
from streams import failing_streams

from dfsubmit.console import table

PARTS = (
    "media",
    "decoding",
    "kills",
    "disk",
    "clock",
    "streams",
    "hangs",
    "bombs",
    "ledgers",
    "daemons",
)


def main() -> int:
    arguments = _arguments()
    size = (60, 6, 12) if arguments.short else (1000, 50, 250)
    parts: dict[str, Callable[[Path], Tally]] = {
        "media": partial(damaged_media, cases=arguments.media or size[0], seed=arguments.seed),
        "decoding": partial(decoded_clips, cases=size[2], seed=arguments.seed),
        "kills": partial(killed_runs, cases=arguments.kills or size[1], seed=arguments.seed),
        "disk": full_disks,
        "clock": short_clocks,
        "streams": partial(failing_streams, only=streams.QUICK if arguments.short else ()),
        "hangs": partial(hanging_runs, only=hangs.QUICK if arguments.short else ()),
        "bombs": partial(bombs, only=QUICK if arguments.short else ()),
        "ledgers": partial(ledger_races, rounds=2 if arguments.short else 20, seed=arguments.seed),
        "daemons": partial(escaping_daemons, short=arguments.short),
    }
    work = Path(tempfile.mkdtemp(prefix="dfsubmit-faults-"))
    tallies = []
    try:
        for name, part in parts.items():
            if arguments.only and name not in arguments.only:
                continue
            (work / name).mkdir()
            began = time.monotonic()
            tally = part(work / name)
            tally.notes.append(f"{time.monotonic() - began:.0f} s")
            tallies.append(tally)
            print(f"{tally.name}: {_described(tally)}", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    header = ("part", "cases", "survived", "rows lost", "hangs")
    rows = [(t.name, t.cases, t.survived, t.rows_lost, t.hangs) for t in tallies if not t.skipped]
    print(f"seed {arguments.seed}\n{table(header, rows, indent='  ', rule=False)}")
    return 0 if all(tally.good for tally in tallies) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help="the size that CI runs")
    parser.add_argument("--media", type=int, help="how many damaged files")
    parser.add_argument("--kills", type=int, help="how many killed runs")
    parser.add_argument("--only", nargs="*", choices=PARTS)
    return parser.parse_args()


def _described(tally: Tally) -> str:
    if tally.skipped:
        return f"SKIPPED: {tally.skipped}"
    counts = ", ".join(f"{count} {name}" for name, count in tally.counts.most_common())
    return "\n    ".join([counts, *tally.notes])


if __name__ == "__main__":
    sys.exit(main())
