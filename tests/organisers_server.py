"""The organisers' hosts on loopback, as far as their two published clients talk to them."""

from __future__ import annotations

import io
import json
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from dfsubmit.cli import main

KEY = "the-participants-own-key"


class Server(ThreadingHTTPServer):
    """What the organisers' hosts do, on one port, and what it saw.

    Attributes:
        trouble: "", or what goes wrong: "size", "cut", "there", "queue", "message".
        message: what a refusal says then.
        stored: uploads by path; registered: registrations in the order of their arrival.
    """

    trouble = ""
    message = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.stored: dict[str, bytes] = {}
        self.registered: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def upload(self) -> zipfile.ZipFile:
        """The one upload."""
        (content,) = self.stored.values()
        return zipfile.ZipFile(io.BytesIO(content))


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *arguments: Any) -> None:
        pass

    def reply(self, status: int, body: Any = None) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def read(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_POST(self) -> None:
        body = json.loads(self.read() or b"{}") or {}
        if self.path.startswith("/v1/"):
            self.post_3(body)
        else:
            self.post_2025(body)

    def post_3(self, body: dict[str, Any]) -> None:
        if self.headers.get("X-API-KEY") != KEY:
            self.reply(401, {"message": "login"})
        elif self.server.trouble == "message":
            self.reply(400, {"message": self.server.message})
        elif self.path == "/v1/code-submissions/upload-url":
            most = 10 if self.server.trouble == "size" else 10**9
            url = f"{self.server.url}/upload/3"
            self.reply(200, {"uploadUrl": url, "key": "object", "maxBytes": most})
        else:
            self.server.registered.append(body)
            self.reply(201, {"id": 1})

    def post_2025(self, body: dict[str, Any]) -> None:
        if self.path == "/submission/getMaxSize":
            if body["key"] != KEY:
                self.reply(200, {"ct": 1, "message": f"unknown key {body['key']}"})
            else:
                size = "0.0000001" if self.server.trouble == "size" else "5"
                self.reply(200, {"ct": 0, "size": size})
        elif self.path == "/grade/type2":
            self.reply(201, "77")
        elif self.path == "/getUrl":
            self.reply(200, {"ct": 0, "url": f"{self.server.url}/upload/{body['fileName']}"})
        elif self.path == "/grade/uploadCompleted":
            self.server.registered.append(body)
            self.reply(201, "ok")
        else:
            self.reply(404, "no such path")

    def do_GET(self) -> None:
        assert self.path == "/score-request/77"
        if self.server.trouble == "queue":
            self.reply(200, {"status": -1, "error": "quota used up"})
        else:
            ids = {"taskId": 9, "submissionIdPublic": 1, "submissionIdTotal": 2}
            self.reply(200, {"status": 1, **ids})

    def do_PUT(self) -> None:
        if self.server.trouble == "cut":
            self.rfile.read(1000)
            self.connection.close()
            return
        body = self.read()
        is_3 = self.path == "/upload/3"
        if is_3 and (
            self.headers.get("If-None-Match") != "*"
            or self.headers.get("x-amz-tagging") != "status=pending"
        ):
            self.reply(403, "the signature covers both headers")
        elif is_3 and self.server.trouble == "there":
            self.reply(412, "it is there already")
        else:
            self.server.stored[self.path] = body
            self.reply(200, "")


def submit(bundle: Path, server: Server, *more: str) -> Any:
    """``dfsubmit submit`` to that server."""
    arguments = ["submit", str(bundle), "--model-name", "my model", "--server", server.url]
    return CliRunner().invoke(main, [*arguments, *more])
