"""The reports over HTTP: what a reader gets, and all that nobody gets."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import pytest

from config import load_plant
from flows.index import rebuild_index
from flows.one_shift import inspect
from flows.report_server import is_loopback, serve_reports, shown_host
from qc.errors import ShiftmixError
from qc.storage import list_published
from qc.storage.published import EARLIER
from qc.storage.simulated import FIRST_DAY

SHIFT = f"date={FIRST_DAY}/shift=early"
OWN = {
    "content-security-policy": "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}


@dataclass(frozen=True)
class Site:
    """A served plant: the early shift in two versions, and an attempt that nobody published."""

    root: Path
    url: str
    old: str
    new: str
    attempt: str

    def ask(
        self, path: str, method: str = "GET", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a path as it is written, and read the answer whole."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content

    def raw(self, request: bytes) -> bytes:
        """Send bytes, and read until the other side closes."""
        address = urlsplit(self.url)
        with socket.create_connection((str(address.hostname), address.port or 0), 30) as wire:
            wire.sendall(request)
            return b"".join(iter(lambda: wire.recv(65536), b""))


@pytest.fixture(scope="module")
def site(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(simulated, folder, dirs_exist_ok=True)
    config = folder / "plant.toml"
    plant = load_plant(config)
    shift = plant.shift(FIRST_DAY, "early")
    inspect(plant, shift)
    ((_, _, old, _),) = list_published(plant.storage)
    text = config.read_text(encoding="utf-8")
    assert "min_posterior = 0.95" in text
    config.write_text(text.replace("min_posterior = 0.95", "min_posterior = 0.99", 1), "utf-8")
    plant = load_plant(config)
    inspect(plant, shift)
    ((_, _, new, home),) = list_published(plant.storage)
    assert new != old
    rebuild_index(plant)
    root = Path(plant.storage)
    attempt = home.with_name("v0003-00000000")
    shutil.copytree(home, attempt)  # even with a manifest: no pointer ever named it
    (home / ".hidden").write_text("secret")
    (home / "report" / "index.html.tmp").write_text("secret")
    (home / "report" / "notes.txt").write_text("secret")
    (folder / "outside.html").write_text("secret")
    (root / "date=2026-11-21").symlink_to(folder / "elsewhere")
    shutil.copytree(root / f"date={FIRST_DAY}", folder / "elsewhere")
    (root / "dispositions").mkdir(exist_ok=True)
    (root / "dispositions" / "x.json").write_text("secret")
    with serve_reports(root, names=["qc.example"]) as url:
        yield Site(root, url, old, new, attempt.name)
    address = urlsplit(url)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((str(address.hostname), address.port or 0))


def test_the_root_is_the_index_and_every_link_of_it_is_there(site: Site) -> None:
    status, headers, content = site.ask("/")
    assert status == 200
    assert content == (site.root / "index.html").read_bytes()
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["cache-control"] == "no-cache"
    links = set(re.findall(r'href="([^"#]+)"', content.decode()))
    assert any(site.new in link for link in links)
    assert any(site.old in link for link in links)
    for link in links:
        assert site.ask(urlsplit(urljoin(f"{site.url}/", link)).path)[0] == 200, link


@pytest.mark.parametrize("which", ["old", "new"])
def test_all_that_the_manifest_of_a_version_names_is_there(site: Site, which: str) -> None:
    version = getattr(site, which)
    home = site.root / SHIFT
    manifest = json.loads((home / version / "manifest.json").read_text(encoding="utf-8"))
    paths = [entry["path"] for entry in manifest["files"]]
    assert {"held.csv", "run.json", "report/index.html", "report/line-A.html"} <= set(paths)
    kinds = set()
    for path in [*paths, "manifest.json"]:
        place = path.removeprefix("../") if EARLIER.match(path) else f"{version}/{path}"
        status, headers, content = site.ask(f"/{quote(f'{SHIFT}/{place}', safe='/=')}")
        assert status == 200, path
        assert content == (home / place).read_bytes()
        assert headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
        assert headers["cache-control"] == "private, max-age=31536000, immutable"
        kinds.add((Path(path).suffix, headers["content-type"]))
    assert kinds == {
        (".html", "text/html; charset=utf-8"),
        (".csv", "text/csv; charset=utf-8"),
        (".json", "application/json"),
        (".parquet", "application/vnd.apache.parquet"),
    }


def test_the_address_of_a_shift_leads_to_what_is_published_now(site: Site) -> None:
    status, headers, _ = site.ask(f"/{SHIFT}")
    assert (status, headers["location"]) == (302, "shift=early/")
    status, headers, _ = site.ask(f"/{SHIFT}/")
    assert (status, headers["location"]) == (302, f"{site.new}/report/index.html")
    assert headers["cache-control"] == "no-cache"
    status, headers, content = site.ask(f"/{SHIFT}/current.json")
    assert (status, headers["cache-control"]) == (200, "no-cache")
    assert json.loads(content)["version"] == site.new


@pytest.mark.parametrize("path", ["/", f"/{SHIFT}/current.json", "page"])
def test_what_is_known_is_not_sent_again(site: Site, path: str) -> None:
    path = f"/{SHIFT}/{site.new}/report/index.html" if path == "page" else path
    _, headers, _ = site.ask(path)
    status, again, content = site.ask(path, If_None_Match=f'"x", W/{headers["etag"]}')
    assert (status, content) == (304, b"")
    assert again["etag"] == headers["etag"]
    assert site.ask(path, If_None_Match='"x"')[0] == 200
    status, headers, content = site.ask(path, "HEAD")
    assert (status, content) == (200, b"")
    assert int(headers["content-length"]) > 0


def test_the_policy_of_the_header_is_that_of_the_page(site: Site) -> None:
    stated = set()
    for path in ("/", f"/{SHIFT}/{site.new}/report/line-B.html", f"/{SHIFT}/{site.new}/held.csv"):
        _, headers, content = site.ask(path)
        own = re.findall(rb'<meta http-equiv="Content-Security-Policy" content="([^"]+)"', content)
        assert headers["content-security-policy"].startswith(
            own[0].decode() if own else "default-src 'none'; base-uri"
        )
        stated.add(headers["content-security-policy"])
        for name, value in OWN.items():
            assert value in headers[name]
    assert len(stated) == 3


GOOD = f"/{SHIFT}/NEW/report/index.html"
BAD = [
    "/current.json",
    "/plant.toml",
    "/../plant.toml",
    "/%2e%2e/plant.toml",
    "/..%2fplant.toml",
    "/%252e%252e/plant.toml",
    "/..;/plant.toml",
    "/..\\plant.toml",
    "/..%5cplant.toml",
    "//etc/passwd",
    "/%2fetc/passwd",
    "/etc/passwd",
    "/file:///etc/passwd",
    "/%00",
    "/index.html%00.png",
    "/index.html/",
    "/.",
    "/./index.html",
    "/dispositions/x.json",
    "/dispositions",
    f"/date={FIRST_DAY}",
    f"/date={FIRST_DAY}/",
    f"/{SHIFT}/.lock",
    f"/{SHIFT}/NEW",
    f"/{SHIFT}/NEW/",
    f"/{SHIFT}/NEW/report",
    f"/{SHIFT}/NEW/report/",
    f"/{SHIFT}/NEW/.hidden",
    f"/{SHIFT}/NEW/report/index.html.tmp",
    f"/{SHIFT}/NEW/report/notes.txt",
    f"/{SHIFT}/NEW/report/INDEX.HTML",
    f"/{SHIFT}/NEW/report//index.html",
    f"/{SHIFT}/NEW/report/index.html%00",
    f"/{SHIFT}/NEW/report/index.html%0a",
    f"/{SHIFT}/NEW/../NEW/report/index.html",
    f"/{SHIFT}/NEW/report/%2e%2e/report/index.html",
    f"/{SHIFT}/NEW/../../../../outside.html",
    f"/{SHIFT}/NEW/%2e%2e/%2e%2e/%2e%2e/%2e%2e/outside.html",
    f"/{SHIFT}/ATTEMPT/report/index.html",
    f"/{SHIFT}/ATTEMPT/manifest.json",
    f"/{SHIFT}/v9999-00000000/report/index.html",
    "/date=2026-11-21/shift=early/",  # a link that leads out of the results
    "/date=2026-11-21/shift=early/NEW/report/index.html",
    "/date=2026-11-22/shift=early/",
    "/date=2026-13-01/shift=early/",
    "/date=２０２６-11-20/shift=early/".encode().decode("latin-1"),
    f"/date={FIRST_DAY}/shift=../",
    f"/date={FIRST_DAY}/shift=..%2f..%2f/",
    f"/date={FIRST_DAY}/shift={'x' * 65}/",
    f"/date={FIRST_DAY}/shift=%ff/",
]


@pytest.mark.parametrize("path", BAD)
def test_nobody_gets_what_is_not_published(site: Site, path: str) -> None:
    path = path.replace("NEW", site.new).replace("ATTEMPT", site.attempt)
    answer = site.raw(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode("latin-1")
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] in {b"400", b"404"}, head
    assert b"secret" not in answer
    assert b"root:" not in answer
    assert len(body) < 200
    if b" 404 " in head.split(b"\r\n")[0]:
        assert b"x-frame-options: DENY" in head
        assert b"cache-control: no-store" in head


def test_the_bad_requests_are_refused_for_what_is_bad_in_them(site: Site) -> None:
    assert site.ask(GOOD.replace("NEW", site.new))[0] == 200
    assert (site.root / "date=2026-11-21/shift=early" / site.new / "report/index.html").is_file()
    assert (site.root / SHIFT / ".lock").exists()


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET ../../etc/passwd HTTP/1.1",
        b"GET http://other.example/index.html HTTP/1.1",
        b"GET  HTTP/1.1",
        b"GET /\x00 HTTP/1.1",
        b"GET /\r\nX: y HTTP/1.1",
        b"CONNECT 127.0.0.1:22 HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1",
    ],
    ids=lambda line: line[:24].decode("latin-1").encode("unicode_escape").decode(),
)
def test_requests_that_no_browser_sends(site: Site, request_line: bytes) -> None:
    answer = site.raw(request_line + b"\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert answer == b"" or re.match(rb"HTTP/1\.1 40[0-9]", answer), answer[:80]
    assert site.ask("/")[0] == 200  # and it goes on


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X"])
def test_nothing_can_be_written(site: Site, method: str) -> None:
    before = {path: path.read_bytes() for path in (site.root / SHIFT).rglob("*.html")}
    status, headers, _ = site.ask(GOOD.replace("NEW", site.new), method)
    assert status == 405
    assert set(headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert before == {path: path.read_bytes() for path in (site.root / SHIFT).rglob("*.html")}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:1", 200),
        ("localhost", 200),
        ("[::1]:80", 200),
        ("qc.example", 200),
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("", 400),
    ],
)
def test_another_sites_name_may_not_point_here(site: Site, host: str, status: int) -> None:
    got, _, content = site.ask("/", Host=host)
    assert got == status
    assert (len(content) > 1000) == (status == 200)


def test_a_damaged_file_is_not_served(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    page = site.root / SHIFT / site.new / "report" / "line-C.html"
    content = page.read_bytes()
    path = f"/{SHIFT}/{site.new}/report/line-C.html"
    page.chmod(0o640)
    page.write_bytes(content[:-10])
    status, headers, said = site.ask(path)
    assert status == 500
    assert headers["x-frame-options"] == "DENY"
    assert str(site.root).encode() not in said
    assert str(page) in caplog.text
    page.unlink()
    page.symlink_to(site.root.parent / "outside.html")
    assert site.ask(path)[0] == 500
    page.unlink()
    page.write_bytes(content)
    assert site.ask(path)[0] == 200


def test_a_plant_without_results_says_so(tmp_path: Path) -> None:
    with serve_reports(tmp_path / "results") as url:
        status, _, said = Site(tmp_path, url, "", "", "").ask("/")
    assert (status, said) == (404, b"Nothing is published yet.\n")


def test_a_port_that_is_taken_is_told_with_the_remedy(site: Site) -> None:
    port = urlsplit(site.url).port or 0
    with (
        pytest.raises(ShiftmixError, match=rf"port {port}: .*--reports-port"),
        serve_reports(site.root, port=port),
    ):
        pass


def test_which_addresses_only_this_machine_reaches() -> None:
    assert [host for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost") if is_loopback(host)]
    outside = ("0.0.0.0", "::", "10.0.0.1", "qc.example", "localhost.evil.example", "")
    assert not [host for host in outside if is_loopback(host)]
    assert shown_host("::1") == "[::1]"
    assert shown_host("0.0.0.0") == socket.gethostname()
