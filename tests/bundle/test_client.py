"""Both published clients talk to a server on loopback that speaks their protocols."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from organisers_server import KEY, Server, submit

from dfsubmit.bundle.manifest import bundle_hash
from dfsubmit.bundle.submit import client, ledger
from dfsubmit.bundle.upload import uploaded
from dfsubmit.cli import main
from dfsubmit.errors import NotInstalled, UsageError

pytestmark = pytest.mark.usefixtures("key")


@pytest.fixture(scope="session")
def client_2025(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The environment of the 2025 client, made once as `submit` makes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        try:
            client.client_2025_python()
        except NotInstalled as error:
            pytest.skip(f"{error.message} ({error.hint})")
        yield


def assert_upload_equals(bundle: Path, target: str, archive: zipfile.ZipFile) -> None:
    names = [name.removeprefix("./") for name in archive.namelist()]
    assert sorted(names) == uploaded(bundle, target)
    for member, name in zip(archive.namelist(), names, strict=True):
        assert archive.read(member) == (bundle / name).read_bytes(), name


@pytest.mark.usefixtures("client_3")
class TestClient3:
    def test_the_servers_record_equals_the_bundle(
        self, predict_bundle: Path, server: Server
    ) -> None:
        before = bundle_hash(predict_bundle)
        result = submit(predict_bundle, server, "--force", "--yes")
        assert result.exit_code == 0, result.output
        assert_upload_equals(predict_bundle, "predict", server.upload())
        assert server.registered == [
            {"key": "object", "modelName": "my model", "filename": "predict.zip"}
        ]
        (entry,) = ledger.read()
        assert (entry.id, entry.accepted, entry.trial) == ("EXP-001", True, False)
        assert entry.bundle_hash == before == bundle_hash(predict_bundle)
        assert "제출 완료" in entry.answer

    def test_the_key_is_neither_shown_nor_stored(
        self, predict_bundle: Path, server: Server, tmp_path: Path
    ) -> None:
        result = submit(predict_bundle, server, "--force", "--yes")
        assert KEY not in result.output
        stored = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
        assert len(stored) >= 2
        assert not any(KEY.encode() in path.read_bytes() for path in stored)

    def test_a_trial_is_the_clients_debug_submission(
        self, predict_bundle: Path, server: Server
    ) -> None:
        result = submit(predict_bundle, server, "--force", "--yes", "--trial")
        assert result.exit_code == 0, result.output
        assert server.registered[0]["debug"] is True
        assert ledger.read()[0].trial

    def test_412_means_that_the_upload_is_there_already(
        self, predict_bundle: Path, server: Server
    ) -> None:
        server.trouble = "there"
        assert submit(predict_bundle, server, "--force", "--yes").exit_code == 0
        assert len(server.registered) == 1

    @pytest.mark.parametrize("trouble", ["size", "cut"])
    def test_a_refusal_is_an_error(
        self, predict_bundle: Path, server: Server, trouble: str
    ) -> None:
        server.trouble = trouble
        result = submit(predict_bundle, server, "--force", "--yes")
        assert result.exit_code == 1
        assert "refused" in result.output
        assert server.registered == []
        assert [entry.accepted for entry in ledger.read()] == [False]

    def test_a_wrong_key_is_an_error(
        self, predict_bundle: Path, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIF_API_KEY", "a-wrong-key-of-someone")
        result = submit(predict_bundle, server, "--force", "--yes")
        assert result.exit_code == 1
        assert "참여 키가 잘못됐거나" in result.output
        assert "a-wrong-key-of-someone" not in result.output

    def test_a_server_that_is_not_there_is_an_error(
        self, predict_bundle: Path, server: Server
    ) -> None:
        answer = client.send(predict_bundle, "predict", "m", KEY, server="http://127.0.0.1:9")
        assert not answer.accepted
        assert answer.text

    def test_the_client_leaves_out_what_uploaded_says(
        self, predict_bundle: Path, server: Server, tmp_path: Path
    ) -> None:
        bundle = Path(shutil.copytree(predict_bundle, tmp_path / "bundle"))
        (bundle / "notes.txt").write_text("beside the assets")
        (bundle / "assets" / "linked").symlink_to(tmp_path)
        assert client.send(bundle, "predict", "m", KEY, server=server.url).accepted
        assert_upload_equals(bundle, "predict", server.upload())
        assert len(server.upload().namelist()) == len(uploaded(predict_bundle, "predict"))

    def test_nothing_is_sent_without_a_rehearsal(
        self, predict_bundle: Path, server: Server
    ) -> None:
        result = submit(predict_bundle, server, "--yes")
        assert result.exit_code == 1
        assert "was not rehearsed" in result.output
        assert server.stored == {}

    def test_nothing_is_sent_without_consent(self, predict_bundle: Path, server: Server) -> None:
        result = submit(predict_bundle, server, "--force")
        assert "send it?" in result.output
        assert result.exit_code == 1
        assert server.stored == {}


@pytest.mark.slow
@pytest.mark.usefixtures("client_2025")
class TestClient2025:
    def test_the_servers_record_equals_the_bundle(self, task_bundle: Path, server: Server) -> None:
        before = bundle_hash(task_bundle)
        result = submit(task_bundle, server, "--force", "--yes")
        assert result.exit_code == 0, result.output
        assert_upload_equals(task_bundle, "task", server.upload())
        assert server.registered[0]["modelname"] == "my model"
        assert bundle_hash(task_bundle) == before, "aif.zip was left in the bundle"
        assert KEY not in result.output

    def test_the_client_leaves_out_what_uploaded_says(
        self, task_bundle: Path, server: Server, tmp_path: Path
    ) -> None:
        bundle = Path(shutil.copytree(task_bundle, tmp_path / "bundle"))
        for folder in ("pretrained_vit", "a/training", "test_drive", "sample_data", "kept"):
            (bundle / folder).mkdir(parents=True)
            (bundle / folder / "file.txt").write_text(folder)
        (bundle / "train.txt").write_text("a file may be called so")
        (bundle / "my-aif.zip.txt").write_text("but not so")
        assert client.send(bundle, "task", "m", KEY, server=server.url).accepted
        assert_upload_equals(bundle, "task", server.upload())
        extra = set(uploaded(bundle, "task")) - set(uploaded(task_bundle, "task"))
        assert extra == {"kept/file.txt", "train.txt"}

    @pytest.mark.parametrize("trouble", ["size", "cut", "queue"])
    def test_a_refusal_is_an_error_although_the_client_returns_none(
        self, task_bundle: Path, server: Server, trouble: str
    ) -> None:
        server.trouble = trouble
        result = submit(task_bundle, server, "--force", "--yes")
        assert result.exit_code == 1
        assert "refused" in result.output
        assert server.registered == []

    def test_a_wrong_key_is_an_error_and_is_not_shown(
        self, task_bundle: Path, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIF_API_KEY", "a-wrong-key-of-someone")
        result = submit(task_bundle, server, "--force", "--yes")
        assert result.exit_code == 1
        assert "unknown key [key]" in result.output
        assert "a-wrong-key-of-someone" not in result.output


def test_the_2025_client_has_no_trial(task_bundle: Path, server: Server) -> None:
    result = submit(task_bundle, server, "--force", "--yes", "--trial")
    assert result.exit_code == 2
    assert "no trial" in result.output


@pytest.mark.parametrize("name", ["", "   ", "m" * 129, "a\nb", "caf\udce9"])
def test_a_name_that_the_server_would_refuse_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"1 to 128|cannot be shown"):
        client.check_model_name(name)


def from_model_to_ledger(
    model: Path, target: str, samples: Path, folder: Path, server: Server
) -> tuple[Path, ledger.Entry]:
    """package → rehearse → submit, as a user types them."""
    media = folder / "media"
    media.mkdir()
    shutil.copy(samples / "face.jpg", media)
    bundle = folder / "build" / "demo"
    for arguments in (
        [
            *("package", "--model", str(model), "--name", "tiny-vit-demo"),
            *("--target", target, "--output", str(bundle)),
        ],
        ["rehearse", str(bundle), "--data", str(media), "--no-venv"],
        ["submit", str(bundle), "--model-name", "demo", "--server", server.url, "--yes"],
    ):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
    return bundle, ledger.read()[0]


@pytest.mark.slow
@pytest.mark.usefixtures("client_3")
def test_from_model_to_ledger_with_predict(
    tiny_model: Path, samples: Path, tmp_path: Path, server: Server
) -> None:
    bundle, entry = from_model_to_ledger(tiny_model, "predict", samples, tmp_path, server)
    assert_upload_equals(bundle, "predict", server.upload())
    assert entry.bundle_hash == bundle_hash(bundle)
    assert entry.rehearsal["files"] == 1


@pytest.mark.slow
@pytest.mark.usefixtures("client_2025")
def test_from_model_to_ledger_with_task(
    tiny_model: Path, samples: Path, tmp_path: Path, server: Server
) -> None:
    bundle, entry = from_model_to_ledger(tiny_model, "task", samples, tmp_path, server)
    assert_upload_equals(bundle, "task", server.upload())
    assert entry.accepted
    assert entry.rehearsal["files"] == 1
