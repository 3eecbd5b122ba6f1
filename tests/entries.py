"""Entries of a ledger for tests, and its command."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from click.testing import CliRunner

from dfsubmit.bundle.submit.ledger import KOREA, Entry
from dfsubmit.cli import main
from dfsubmit.recipe import Recipe

NOON = datetime(2025, 10, 1, 12, 0, tzinfo=KOREA)


def entry(entry_id: str, when: datetime = NOON, **changes: Any) -> Entry:
    values: dict[str, Any] = {
        "id": entry_id,
        "time": when.isoformat(),
        "target": "task",
        "trial": False,
        "accepted": True,
        "model_name": "vit",
        "bundle": "build/vit",
        "bundle_hash": "ab" * 32,
        "model": "vit",
        "model_sha256": "cd" * 32,
        "recipe": {"name": Recipe().name, "margin": 0.4},
        "aggregator": "mean",
        "tta": "none",
    }
    return Entry(**{**values, **changes})


def call(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["ledger", *arguments])
