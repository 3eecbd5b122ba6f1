"""The environment variables passed to the child processes of the bundle's commands.

An allow list, because the names of all variables with keys are not known.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

_NAMES = frozenset(
    "PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TERM TMPDIR TMP TEMP LD_LIBRARY_PATH".split()
)
_PREFIXES = ("LC_", "CUDA_", "NVIDIA_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "MALLOC_")
# What reaching the network may take. A proxy's or an index's address can hold a password, without
# which it cannot be used.
_NETWORK_NAMES = frozenset(
    "HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY SSL_CERT_FILE SSL_CERT_DIR"
    " REQUESTS_CA_BUNDLE CURL_CA_BUNDLE".split()
)
_NETWORK_PREFIXES = ("PIP_",)


def child_environment(*, network: bool, more: Iterable[str] = ()) -> dict[str, str]:
    """This process's environment without keys, tokens and options.

    Args:
        network: also what pip and a client need to reach the network: proxies, certificates and
            pip's own settings.
        more: further names to hand on.
    """
    further = frozenset(more)

    def is_allowed(name: str) -> bool:
        if name in _NAMES or name in further or name.startswith(_PREFIXES):
            return True
        return network and (name.upper() in _NETWORK_NAMES or name.startswith(_NETWORK_PREFIXES))

    return {name: value for name, value in os.environ.items() if is_allowed(name)}
