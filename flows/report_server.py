"""The published reports over HTTP, for reading only.

What exists here is what the manifests of published versions name, the manifests themselves, the
pointers and the index. Nothing lists a folder and nothing joins a request to a path, so attempts,
locks, hidden and temporary files are not there to be asked for.
"""

from __future__ import annotations

import hashlib
import html
import logging
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from ipaddress import ip_address
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.report_files import Served, files_of, is_inside
from qc.errors import ShiftmixError, StorageError
from qc.storage.paths import shift_folder
from qc.storage.place import place_of
from qc.storage.published import POINTER, REPORT, open_version, read_pointer

SHIFT = re.compile(r"date=([0-9]{4}-[0-9]{2}-[0-9]{2})/shift=([A-Za-z0-9._-]{1,64})(?:/(.*))?")
POLICY = re.compile(rb'<meta http-equiv="Content-Security-Policy" content="([ -~]*?)">')
HEAD = 4096  # bytes of a page in which its own policy stands
NO_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
AROUND = "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"  # a page cannot say these

FOREVER = "private, max-age=31536000, immutable"  # a version never changes
ASK_AGAIN = "no-cache"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
}
HEADERS = {
    "content-security-policy": "default-src 'none'" + AROUND,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
MOST_AT_ONCE = 100  # connections; a page is one request, and more is no reader
STOP_LIMIT = 5.0  # seconds for answers that are under way

logger = logging.getLogger(__name__)


@contextmanager
def serve_reports(
    root: Path, host: str = "127.0.0.1", port: int = 0, names: Sequence[str] = ()
) -> Iterator[str]:
    """Serve a results' folder for the length of a ``with`` block, from a thread.

    Parameters
    ----------
    root : Path
        The results; they need not be there yet.
    host : str
        Address to listen on.
    port : int
        0 takes a free one.
    names : sequence of str
        Host names by which browsers may ask, beside the address itself.

    Yields
    ------
    str
        The URL of the root, without a slash at its end; it is listened to.

    Raises
    ------
    ShiftmixError
        If the address cannot be had.
    """
    listening = _bound(host, port)
    allowed = ["*"] if is_wildcard(host) else [*LOOPBACK, host, *names]
    settings = uvicorn.Config(
        application(root, allowed),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http="h11",
        ws="none",
        lifespan="off",
        limit_concurrency=MOST_AT_ONCE,
    )
    server = uvicorn.Server(settings)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listening]}, name="reports", daemon=True
    )
    thread.start()
    try:
        yield f"http://{shown_host(host)}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(STOP_LIMIT)
        server.force_exit = True
        thread.join(STOP_LIMIT)
        listening.close()


def application(root: Path, allowed: Sequence[str] = LOOPBACK) -> Starlette:
    """The web application over a results' folder, for requests to the allowed host names."""

    def answer(request: Request) -> Response:
        # Not the parameter of the route, which has lost a line break at its end.
        path = request.scope["path"].removeprefix("/")
        return _answer(root, path, request.headers.get("if-none-match", ""))

    return Starlette(
        routes=[Route("/{path:path}", answer, methods=["GET"])],  # HEAD comes with it
        middleware=[
            Middleware(_Guarded),
            # Against other sites' pages that have their own name point here.
            Middleware(TrustedHostMiddleware, allowed_hosts=list(allowed), www_redirect=False),
        ],
        exception_handlers={HTTPException: _told, StorageError: _damaged, OSError: _damaged},
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_wildcard(host: str) -> bool:
    """Whether an address stands for all addresses of this machine."""
    return host in {"", "0.0.0.0", "::"}  # noqa: S104 - compared, not listened on


def shown_host(host: str) -> str:
    """The host as it stands in a URL; the machine's name where it listens on all addresses."""
    host = socket.gethostname() if is_wildcard(host) else host
    return f"[{host}]" if ":" in host else host


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=MOST_AT_ONCE)
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or error
        raise ShiftmixError(
            f"reports cannot be served at {host} port {port}: {said}",
            remedy="Give another --reports-port, or end the program that has this one",
        ) from error


def _answer(root: Path, path: str, known: str) -> Response:
    """Answer one request; `path` is decoded and without its first slash."""
    if path in {"", "index.html"}:
        return _changing(_read(root / "index.html", root), ".html", known)
    asked = SHIFT.fullmatch(path)
    if asked is None:
        raise HTTPException(404)
    day, shift, rest = asked.groups()
    try:
        folder = shift_folder(root, date.fromisoformat(day), shift)
    except (ValueError, StorageError):
        raise HTTPException(404) from None
    pointer = read_pointer(folder) if is_inside(folder, root) else None
    if pointer is None:
        raise HTTPException(404, f"Nothing is published for {day} {shift}.\n")
    if rest is None:
        return _elsewhere(f"shift={shift}/")
    if rest == "":
        return _elsewhere(f"{open_version(folder, pointer).version}/{REPORT}")
    if rest == POINTER:
        return _changing(pointer, ".json", known)
    served = files_of(folder, pointer).get(rest)
    if served is None:
        raise HTTPException(404)
    return _immutable(served, known)


def _elsewhere(target: str) -> Response:
    # Relative, so that it holds behind a proxy that serves the reports below a path of its own.
    return RedirectResponse(target, 302, {"cache-control": ASK_AGAIN})


def _changing(content: bytes, suffix: str, known: str) -> Response:
    headers = _headers(hashlib.sha256(content).hexdigest(), ASK_AGAIN)
    if suffix == ".html":
        headers["content-security-policy"] = _policy(content)
    if _is_known(headers["etag"], known):
        return Response(status_code=304, headers=headers)
    return Response(content, headers={**headers, "content-type": TYPES[suffix]})


def _immutable(served: Served, known: str) -> Response:
    path = served.path()
    if not path.is_file():
        raise HTTPException(404)
    headers = _headers(served.sha256, FOREVER)
    if path.suffix == ".html":
        with path.open("rb") as page:
            headers["content-security-policy"] = _policy(page.read(HEAD))
    if _is_known(headers["etag"], known):
        return Response(status_code=304, headers=headers)
    kind = TYPES.get(path.suffix, "application/octet-stream")
    return FileResponse(path, headers={**headers, "content-type": kind})


def _headers(sha256: str, cache: str) -> dict[str, str]:
    return {"etag": f'"{sha256}"', "cache-control": cache}


def _is_known(tag: str, known: str) -> bool:
    tags = {one.strip().removeprefix("W/") for one in known.split(",")}
    return tag in tags or "*" in tags


def _policy(page: bytes) -> str:
    """The policy that a page states in itself, and what only a header can say.

    Pages of other code have other hashes of style and script: theirs are the ones that count.
    """
    stated = POLICY.search(page[:HEAD])
    return (html.unescape(stated[1].decode()) if stated else NO_POLICY) + AROUND


def _read(path: Path, root: Path) -> bytes:
    place = place_of(path)
    if is_inside(path, root) and (place.is_mirror or path.is_file()):
        with suppress(FileNotFoundError):
            return place.now(path)
    raise HTTPException(404, "Nothing is published yet.\n")


def _told(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(getattr(error, "headers", None) or {})
    said = getattr(error, "detail", "")
    if status == 404 and said == "Not Found":
        said = "There is no such page. All shifts are listed at the root of this site.\n"
    return PlainTextResponse(said, status, headers)


def _damaged(_request: Request, error: Exception) -> Response:
    logger.error("%s", error)  # with the path, which is nobody's business outside
    return PlainTextResponse(
        "What is published here is damaged; the log of `shiftmix serve` names the file.\n", 500
    )


class _Guarded:
    """Puts the security headers on every answer, errors too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, guarded)
