"""A server that cannot be reached costs no number, and what it takes to send is asked for early."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from organisers_server import Server, submit

from dfsubmit.bundle.submit import client, ledger, reach
from dfsubmit.cli import main
from dfsubmit.errors import UsageError


def to(bundle: Path, url: str) -> Result:
    arguments = ["submit", str(bundle), "--model-name", "m", "--force", "--yes", "--server", url]
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.usefixtures("key", "client_3")
@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://nowhere.invalid"])
def test_an_unreachable_server_is_said_once_and_uses_no_number(
    predict_bundle: Path, url: str
) -> None:
    result = to(predict_bundle, url)
    assert result.exit_code == 1
    assert result.output.count("could not reach") == 1
    assert f"error: could not reach {url}; nothing was sent" in result.output
    assert ledger.read() == []


@pytest.mark.usefixtures("key", "client_3")
def test_a_server_that_does_not_answer_is_not_waited_for(
    predict_bundle: Path, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "SECONDS", 0.2)
    result = to(predict_bundle, silent)
    assert f"could not reach {silent}; nothing was sent" in result.output
    assert "no answer for 0.2 s" in result.output
    assert ledger.read() == []


@pytest.mark.parametrize(
    "url",
    ["api.aifactory.space", "ftp://host", "https://", "http://host:port", "http://a:b@host", ""],
)
def test_a_server_has_an_address(predict_bundle: Path, url: str) -> None:
    result = to(predict_bundle, url)
    assert result.exit_code == 2
    assert "is not the address of a server" in result.output
    assert "https://HOST" in result.output


def test_the_variables_address_is_held_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIF_SERVER", "host")
    with pytest.raises(UsageError, match="AIF_SERVER 'host'"):
        client.server_of("predict", None)
    assert client.server_of("task", None) is None
    assert client.server_of("task", " https://host:8/path/ ") == "https://host:8/path"


def test_without_a_key_and_a_terminal_nothing_is_asked(
    predict_bundle: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIF_API_KEY", raising=False)
    result = submit(predict_bundle, server, "--force")
    assert result.exit_code == 2
    assert "set AIF_API_KEY to the key of the task's page" in result.output
    assert "send it?" not in result.output
    assert (ledger.read(), server.stored) == ([], {})
