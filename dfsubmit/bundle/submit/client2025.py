"""Run by the environment of aifactory 2.0.0, as a script: calls that client's `submit`.

Standard input: a JSON object with model_name, key and server (empty for the client's own hosts).
It must import nothing of dfsubmit, which that environment does not have.
"""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Send the current folder."""
    request = json.load(sys.stdin)
    import aifactory.score as client

    if request["server"]:
        # The hosts are variables of the module; the protocol's paths come behind them.
        server = request["server"].rstrip("/")
        client.apiUrl = client.serverUrl = server
        client.getUrl = f"{server}/getUrl"
    client.submit(model_name=request["model_name"], key=request["key"])


if __name__ == "__main__":
    main()
