"""Serves the page of a study that is still searched: on this machine only, to who knows the address with its token."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from nas_sr.errors import UsageError

LOOPBACK = "127.0.0.1"
_HOSTS = (LOOPBACK, "localhost")


class LivePage(ThreadingHTTPServer):
    """Answers `/TOKEN/` with the page as it is now, and `/TOKEN/version` with a text that changes with the study.

    A request for another path, or by another name than a loopback address, is refused: a page elsewhere on the web that
    a reader's browser has open can neither guess the token nor give this server a name of its own.
    """

    daemon_threads = True

    def __init__(self, page: Callable[[], str], version: Callable[[], str], port: int = 0) -> None:
        """Listens at once.

        Args:
            page: makes the page's text; UsageError where the study cannot be read just now.
            version: changes when the page does; asked every few seconds, so it must be cheap.
            port: 0 takes a free one.
        """
        super().__init__((LOOPBACK, port), _Handler)
        self.token = secrets.token_urlsafe(24)
        self._make, self._version = page, version
        self._lock, self._kept = threading.Lock(), ("", "")

    @property
    def address(self) -> str:
        """The page's address, which is the permission to read it."""
        return f"http://{LOOPBACK}:{self.server_port}/{self.token}/"

    def version(self) -> str:
        """Of the study now."""
        return self._version()

    def page(self) -> str:
        """Made once for each version."""
        with self._lock:
            version = self._version()
            if self._kept[0] != version or not self._kept[1]:
                self._kept = (version, self._make())
            return self._kept[1]

    def allows(self, host: str | None) -> bool:
        """Whether a request's Host header names this server by a loopback address."""
        return host in {f"{name}:{self.server_port}" for name in _HOSTS}


class _Handler(BaseHTTPRequestHandler):
    server: LivePage

    def do_GET(self) -> None:
        """The page or its version."""
        if not self.server.allows(self.headers.get("Host")):
            return self._answer(HTTPStatus.FORBIDDEN, "text/plain", "only by a loopback address")
        token, slash, rest = self.path.removeprefix("/").partition("/")
        is_ours = secrets.compare_digest(token.encode(), self.server.token.encode())
        if not is_ours or not slash or rest not in ("", "version"):
            return self._answer(HTTPStatus.NOT_FOUND, "text/plain", "not here")
        try:
            if rest == "version":
                return self._answer(HTTPStatus.OK, "text/plain", self.server.version())
            return self._answer(HTTPStatus.OK, "text/html", self.server.page())
        except (UsageError, OSError) as error:
            return self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", f"try again: {error}")

    def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: the token is in every line."""
