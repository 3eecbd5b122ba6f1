"""Closing the network for a process and all that it starts.

Two ways: a network namespace of its own with nothing but loopback (Linux, where it is allowed), or
a ``sitecustomize`` that every Python child inherits and that makes connections fail. The first
holds for any program; the second for Python programs that do not work around it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
from pathlib import Path

from dfsubmit.processes import python_command

# From <sched.h>, <sys/ioctl.h> and <net/if.h>.
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1

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


def enter_namespace() -> None:
    """Move this process, and what it starts from now on, into a namespace with only loopback.

    To be called before any thread is started.

    Raises:
        OSError: the system does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    # As root without a user namespace first: files of other users stay readable.
    if libc.unshare(_CLONE_NEWNET) != 0:
        if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "no network namespace can be made")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    # A new namespace's loopback is down, and the kernel's channels run over it.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _IFF_UP))


def namespace_works() -> bool:
    """Whether a child process can enter such a namespace and use its loopback."""
    probe = (
        "import socket\n"
        "from dfsubmit.bundle.rehearse.network import enter_namespace\n"
        "enter_namespace()\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname(), timeout=5).close()\n"
    )
    done = subprocess.run(python_command(probe), capture_output=True, check=False)
    return done.returncode == 0


def write_blocker(folder: Path) -> None:
    """Put the ``sitecustomize.py`` into a folder that is then the first of PYTHONPATH."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(BLOCKER, encoding="utf-8")
