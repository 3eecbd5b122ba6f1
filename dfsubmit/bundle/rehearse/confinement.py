"""Linux namespaces for a notebook: its processes end with it, and it cannot see private files.

They give it a network with only loopback; a process namespace, whose first process ends all others;
its own /proc; covers over private parts of the file system (listening sockets, the user's keys,
dfsubmit's own folder); and an overlay for writes to the media, which are links to the user's files.
A system may allow all, some or none of this. `probe` finds out which, in a child process, and a
rehearsal's report says what is missing.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import socket
import stat
import struct
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from dfsubmit.processes import python_command

NETWORK, PROCESSES, PROC, FILES, MEDIA = "network", "processes", "proc", "files", "media"
EVERYTHING = frozenset({NETWORK, PROCESSES, PROC, FILES, MEDIA})

# From <sched.h>, <sys/mount.h>, <sys/prctl.h>, <linux/capability.h>, <sys/ioctl.h> and <net/if.h>.
_NEWNS, _NEWIPC, _NEWUSER = 0x00020000, 0x08000000, 0x10000000
_NEWPID, _NEWNET = 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND = 0x2, 0x4, 0x8, 0x1000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_MNT_DETACH = 0x2
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1
# Rights over files and over one's own processes, up to CAP_SETUID; the rest could undo all this.
_KEPT_CAPABILITIES, _MOST_CAPABILITIES = 8, 64

_KEYS = (
    *(".ssh", ".aws", ".azure", ".kaggle", ".docker", ".huggingface", ".config/gcloud", ".gnupg"),
    *(".config/gh", ".git-credentials", ".pypirc", ".cache/huggingface/token"),
)
_SOCKET_PLACES = ("/run", "/tmp")
_SOCKET_DEPTH = 3
_PROBE = """
import json
from dfsubmit.bundle.rehearse.confinement import enter
held = enter(json.loads(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3])
print(json.dumps(sorted(held)), flush=True)
"""


def private_paths(home: Path, own: Path) -> list[str]:
    """The paths hidden from a notebook: keys in the user's home, and dfsubmit's own folder."""
    return [str(own), *(str(home / name) for name in _KEYS)]


def probe(hidden: Iterable[str] = ()) -> frozenset[str]:
    """What can be held on this machine: a part of `EVERYTHING`."""
    for wanted in (EVERYTHING, frozenset({NETWORK})):
        with tempfile.TemporaryDirectory(prefix="dfsubmit-probe-") as media:
            arguments = (json.dumps(sorted(wanted)), json.dumps(list(hidden)), media)
            command = python_command(_PROBE, *arguments)
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return frozenset(json.loads(done.stdout))
    return frozenset()


def enter(
    wanted: Iterable[str], hidden: Iterable[str] = (), media: str | None = None
) -> frozenset[str]:
    """Move into the namespaces; returns what holds now. To be called before any thread is started.

    With `PROCESSES` the call returns in a new process: the calling one stays outside, waits for it
    and exits as it does. All that was started in between is killed then.

    Args:
        wanted: of `EVERYTHING`; PROC, FILES and MEDIA need PROCESSES.
        hidden: files and folders to cover.
        media: a folder whose files are to stay as they are, whatever is written to them.

    Raises:
        OSError: the system does not allow a namespace that is wanted.
    """
    wanted = frozenset(wanted)
    # Looked for now: /proc/net/unix lists those of the network that one is in.
    sockets = _listening_sockets() if FILES in wanted else []
    _unshare(wanted)
    if NETWORK in wanted:
        # A new namespace's loopback is down, and the kernel's channels run over it.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
            fcntl.ioctl(handle, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _IFF_UP))
    if PROCESSES not in wanted:
        return wanted
    held = set(wanted)
    if (inner := os.fork()) != 0:
        _exit_as(inner)
    # Process 1 of the namespace: when it ends, however it ends, the kernel kills all others.
    _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    if PROC in wanted and not _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC):
        held.discard(PROC)
    if FILES in wanted:
        covered = [_cover(path) for path in (*sockets, *hidden)]
        held -= set() if all(covered) else {FILES}
    if MEDIA in wanted and media is not None and not _overlay(media):
        held.discard(MEDIA)
    _give_up_rights()
    if (worker := os.fork()) != 0:
        _reap_until(worker)
    return frozenset(held)


def _unshare(wanted: frozenset[str]) -> None:
    flags = _NEWNET if NETWORK in wanted else 0
    flags |= _NEWPID | _NEWNS | _NEWIPC if PROCESSES in wanted else 0
    user, group = os.getuid(), os.getgid()
    # As root without a user namespace first: files of other users stay readable.
    if _libc().unshare(flags) != 0:
        if _libc().unshare(_NEWUSER | flags) != 0:
            raise OSError(ctypes.get_errno(), "no such namespace can be made")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _listening_sockets() -> list[str]:
    """Unix sockets in the file system: those that are bound here, and those of other containers."""
    lines = Path("/proc/net/unix").read_text(errors="surrogateescape").splitlines()[1:]
    paths = {fields[7] for line in lines if len(fields := line.split(None, 7)) == 8}
    found = {path for path in paths if path.startswith("/")}
    for place in _SOCKET_PLACES:
        for folder, folders, names in os.walk(place):
            if folder.count("/") - place.count("/") >= _SOCKET_DEPTH:
                folders.clear()
            found |= {path for name in names if _is_socket(path := f"{folder}/{name}")}
    return sorted(filter(_is_socket, found))


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _cover(path: str) -> bool:
    """Put nothing in a path's place; whether that worked, or there is nothing to cover."""
    if not os.path.exists(path):
        return True
    if os.path.isdir(path):
        return _mount("tmpfs", path, "tmpfs", _MS_NOSUID | _MS_NODEV)
    return _mount("/dev/null", path, None, _MS_BIND)


def _overlay(folder: str) -> bool:
    """Let what is written to a folder go to memory, and go with the namespace."""
    if set(folder) & set(",:\\"):  # they mean something in the options
        return False
    with tempfile.TemporaryDirectory(prefix="dfsubmit-overlay-") as place:
        if not _mount("tmpfs", place, "tmpfs", _MS_NOSUID | _MS_NODEV):
            return False
        for name in ("upper", "work"):
            os.mkdir(f"{place}/{name}")
        options = f"lowerdir={folder},upperdir={place}/upper,workdir={place}/work,userxattr"
        worked = _mount("overlay", folder, "overlay", _MS_NOSUID | _MS_NODEV, options)
        # The overlay keeps it; the name is needed no longer.
        _libc().umount2(os.fsencode(place), _MNT_DETACH)
    return worked


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str | None = None
) -> bool:
    source_, target_, kind_, options_ = (
        os.fsencode(text) if text is not None else None for text in (source, target, kind, options)
    )
    return bool(_libc().mount(source_, target_, kind_, ctypes.c_ulong(flags), options_) == 0)


def _give_up_rights() -> None:
    """Whatever is executed from now on can neither unmount nor trace, as root neither."""
    for capability in range(_KEPT_CAPABILITIES, _MOST_CAPABILITIES):
        _libc().prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    _libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _exit_as(child: int) -> None:
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _reap_until(worker: int) -> None:
    """Process 1's work: orphans become its children, and it ends when the worker does."""
    while True:
        child, status = os.wait()
        if child == worker:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
