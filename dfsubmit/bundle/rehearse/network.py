"""Closing the network where there are no namespaces: a ``sitecustomize`` that every Python child
inherits and that makes connections fail. It holds for Python programs that do not work around it;
`confinement` holds for any program.
"""

from __future__ import annotations

from pathlib import Path

BLOCKER = '''\
"""Makes every connection but those to this machine fail, as the scoring server does."""
import socket

_connect, _connect_ex, _lookup = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


def _is_outside(host):
    host = host.decode() if isinstance(host, bytes) else host
    return host not in (None, "", "localhost", "::1", "0.0.0.0") and not host.startswith("127.")


def _check(address):
    if isinstance(address, tuple) and _is_outside(address[0]):
        raise OSError(101, "the network is closed in this rehearsal")


def connect(self, address):
    _check(address)
    return _connect(self, address)


def connect_ex(self, address):
    _check(address)
    return _connect_ex(self, address)


def getaddrinfo(host, *arguments, **options):
    if _is_outside(host):
        raise socket.gaierror(-3, "the network is closed in this rehearsal")
    return _lookup(host, *arguments, **options)


socket.socket.connect, socket.socket.connect_ex = connect, connect_ex
socket.getaddrinfo = getaddrinfo
'''


def write_blocker(folder: Path) -> None:
    """Put the ``sitecustomize.py`` into a folder that is then the first of PYTHONPATH."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(BLOCKER, encoding="utf-8")
