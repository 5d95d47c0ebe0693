"""A small Hugging Face hub on loopback: repositories with files, served as its library asks for them."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What it serves, and what it was asked."""

    repositories: Mapping[str, Mapping[str, bytes]]
    """Files by path, by OWNER/REPO."""
    gated: frozenset[str] = frozenset()
    """Repositories that want the token."""
    token: str = "hf_right"
    failing: int | None = None
    """The status of every answer, if it is to fail."""
    asked: list[str] = field(default_factory=list)
    """Method and path of each request."""
    tokens: list[str | None] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve it on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(hub, self)

        def do_HEAD(self) -> None:
            _answer(hub, self)

        def log_message(self, format: str, *arguments: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(hub: Hub, request: BaseHTTPRequestHandler) -> None:
    path = unquote(urlsplit(request.path).path)
    hub.asked.append(f"{request.command} {path}")
    key = request.headers.get("authorization")
    hub.tokens.append(key)
    repo = "/".join(path.removeprefix("/api/models").split("/")[1:3])
    if hub.failing is not None:
        return _send(request, hub.failing, b"{}")
    if repo not in hub.repositories:
        return _send(request, 404, b"{}", {"X-Error-Code": "RepoNotFound"})
    if repo in hub.gated and key != f"Bearer {hub.token}" and not path.startswith("/api/"):
        return _send(request, 401 if key is None else 403, b"{}", {"X-Error-Code": "GatedRepo"})
    files = hub.repositories[repo]
    if path.startswith("/api/models/"):
        info = {"id": repo, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
        return _send(request, 200, json.dumps(info).encode())
    name = path.split("/", 5)[5]
    if name not in files:
        return _send(request, 404, b"{}", {"X-Error-Code": "EntryNotFound"})
    data = files[name]
    return _send(request, 200, data, {"ETag": f'"{_etag(data)}"', "X-Repo-Commit": COMMIT})


def _send(
    request: BaseHTTPRequestHandler, status: int, data: bytes, headers: Mapping[str, str] | None = None
) -> None:
    request.send_response(status)
    for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(data)


def _etag(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()
