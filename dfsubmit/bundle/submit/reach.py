"""Whether a server can be reached, checked before a submission gets a number.

In: its address. Out: nothing, or an error. Any answer counts as reached; the organisers' client
handles the answer to the submission itself.
"""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from dfsubmit.console import printable
from dfsubmit.errors import DfsubmitError, UsageError

SECONDS = 20.0


def checked_url(url: str, origin: str) -> str:
    """A server's address without surrounding space and the slash at its end.

    Args:
        url: ``http://`` or ``https://``, a host, optionally a port and a path.
        origin: where it was given, for the error.

    Raises:
        UsageError: it is no such address.
    """
    url = url.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not close
        usable = False
    if not usable or "@" in parts.netloc or parts.query or parts.fragment or not _is_plain(url):
        raise UsageError(
            f"{origin} {printable(url)!r} is not the address of a server",
            "expected http://HOST or https://HOST, with :PORT and /PATH where there are any",
        )
    return url


def _is_plain(url: str) -> bool:
    return url.isprintable() and " " not in url


def require_answer(url: str) -> None:
    """Ask the server for anything, once.

    Raises:
        DfsubmitError: no connection, or no answer within `SECONDS`.
    """
    if "all" in urllib.request.getproxies():
        return  # ALL_PROXY, which the clients go by and urllib does not
    try:
        request = urllib.request.Request(url, method="HEAD")
        urllib.request.urlopen(request, timeout=SECONDS).close()
    except urllib.error.HTTPError:
        return  # an answer
    except (OSError, http.client.HTTPException) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        # The clients have certificates of their own; and what is no HTTP is an answer, too.
        if isinstance(cause, ssl.SSLError) or not isinstance(cause, OSError):
            return
        reason = cause.strerror or str(cause)
        if isinstance(cause, TimeoutError):
            reason = f"no answer for {SECONDS:g} s"
        raise DfsubmitError(
            f"could not reach {url}; nothing was sent, and no number of the ledger was used",
            f"{reason}: is the network there, and the address right (--server)?",
        ) from error
