"""What goes was rehearsed here, the server that is named is used, and the ledger knows it first."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from organisers_server import KEY, Server, submit
from rehearsals import passed_report

from dfsubmit.bundle.manifest import bundle_hash
from dfsubmit.bundle.rehearse.report import kept
from dfsubmit.bundle.submit import client, ledger
from dfsubmit.cli import main
from dfsubmit.files import append_json_line

pytestmark = pytest.mark.usefixtures("key")


@pytest.mark.usefixtures("client_3")
def test_a_rehearsed_bundle_goes_with_what_is_expected_of_it(
    predict_bundle: Path, server: Server, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(predict_bundle, tmp_path / "b"))
    passed_report(bundle, bundle_hash(bundle))
    result = submit(bundle, server, "--yes", "--id", "EXP-004")
    assert result.exit_code == 0, result.output
    assert "0.6100, 95 % interval 0.5000 to 0.7000, 40 labelled files" in result.output
    assert "worst of stress: not measured" in result.output
    assert ledger.find("EXP-004").rehearsal["macro_f1"] == 0.61
    (bundle / "requirements.txt").write_text("")
    result = submit(bundle, server, "--yes")
    assert result.exit_code == 1
    assert "was changed since its rehearsal" in result.output


@pytest.mark.usefixtures("client_3")
def test_the_server_that_is_named_is_the_one_that_is_used(
    predict_bundle: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIF_SERVER", server.url)
    arguments = ["submit", str(predict_bundle), "--model-name", "m", "--force", "--yes"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert f"to {server.url}" in result.output
    assert len(server.registered) == 1


@pytest.mark.usefixtures("client_3")
def test_a_folder_whose_name_is_no_text_is_entered(
    predict_bundle: Path, server: Server, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(predict_bundle, tmp_path / os.fsdecode(b"caf\xe9")))
    result = submit(bundle, server, "--force", "--yes", "--id", "EXP-007")
    assert result.exit_code == 0, result.output
    assert r"caf\udce9" in result.output
    assert ledger.find("EXP-007").bundle == str(bundle)


@pytest.mark.usefixtures("client_3")
@pytest.mark.parametrize("spell", [str, lambda key: base64.b64encode(key.encode()).decode()])
def test_a_key_in_the_servers_answer_is_not_kept(
    predict_bundle: Path, server: Server, tmp_path: Path, spell: Callable[[str], str]
) -> None:
    server.trouble, server.message = "message", f"no such key: {spell(KEY)}!"
    result = submit(predict_bundle, server, "--force", "--yes")
    assert result.exit_code == 1
    assert "no such key: [key]!" in result.output
    assert spell(KEY) not in result.output
    assert ledger.read()[0].answer.endswith("no such key: [key]!")


@pytest.mark.usefixtures("client_3")
def test_the_entry_is_there_before_anything_is_sent(
    predict_bundle: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def interrupted(*arguments: Any, **options: Any) -> Any:
        seen.extend(ledger.read())
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "_talk", interrupted)
    assert submit(predict_bundle, server, "--force", "--yes").exit_code == 130
    assert [(entry.id, entry.accepted) for entry in seen] == [("EXP-001", None)]
    assert [(entry.id, entry.counts) for entry in ledger.read()] == [("EXP-001", True)]


@pytest.mark.usefixtures("client_3")
def test_an_answer_that_cannot_be_kept_is_told(
    predict_bundle: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(stream: Any, data: dict[str, Any]) -> None:
        if data["event"] == "answer":
            raise OSError(28, "No space left on device")
        append_json_line(stream, data)

    monkeypatch.setattr(ledger, "append_json_line", full)
    result = submit(predict_bundle, server, "--force", "--yes")
    assert result.exit_code == 1
    assert "was sent and accepted, but the answer to EXP-001 is not in the ledger" in result.output
    assert [(entry.id, entry.counts) for entry in ledger.read()] == [("EXP-001", True)]


def test_a_report_that_was_not_written_here_is_not_believed(
    predict_bundle: Path, tmp_path: Path, server: Server
) -> None:
    bundle = Path(shutil.copytree(predict_bundle, tmp_path / "b"))
    passed_report(bundle, bundle_hash(bundle))
    report = kept(bundle) / "report.json"
    whole = report.read_text()
    report.write_text(whole.replace("0.61", "0.99"))
    result = submit(bundle, server, "--yes")
    assert result.exit_code == 1
    assert "was not rehearsed here" in result.output
    forced = submit(bundle, server, "--force")
    assert "macro F1 on labelled data: not measured" in forced.output
    report.write_text(whole)
    manifest = bundle / "bundle.json"
    manifest.write_text(manifest.read_text().replace('"mean"', '"max"'))
    assert "was not rehearsed here" in submit(bundle, server, "--yes").output
    assert server.stored == {}


@pytest.mark.usefixtures("client_3")
def test_the_client_runs_nothing_of_the_bundle_and_gets_no_other_key(
    predict_bundle: Path, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Path(shutil.copytree(predict_bundle, tmp_path / "b"))
    marker = tmp_path / "this was run"
    for name in ("requests", "json", "aifactory", "sitecustomize"):
        code = f"open({str(marker)!r}, 'w').close()\n"
        (bundle / f"{name}.py").write_text(code)
        (bundle / "assets" / f"{name}.py").write_text(code)
    monkeypatch.chdir(bundle)
    given: list[dict[str, str]] = []
    start = subprocess.Popen

    def note(*arguments: Any, **options: Any) -> Any:
        given.append(options["env"])
        return start(*arguments, **options)

    monkeypatch.setenv("HF_TOKEN", "another-key")
    monkeypatch.setattr(subprocess, "Popen", note)
    assert client.send(bundle, "predict", "m", KEY, server=server.url).accepted
    assert not marker.exists()
    assert [KEY in env.values() for env in given] == [True]
    assert "another-key" not in given[0].values()
