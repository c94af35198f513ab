"""The names of mirrors: each URL has its own, and each says of what it is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from qc.spool import SPOOL, is_store_url, mirror_of, store_of

URLS = ["s3://plant-results", "gs://plant_results/a/b", "az://container/a.b/date=x", "s3://a-b/a-b"]


@pytest.mark.parametrize("url", URLS)
def test_a_mirror_says_of_what_it_is_one(url: str, tmp_path: Path) -> None:
    mirror = mirror_of(url, tmp_path)
    assert mirror.parent == tmp_path / SPOOL
    assert mirror_of(f"{url}/", tmp_path) == mirror
    for path in (mirror, mirror / "date=2026-11-20" / "current.json"):
        assert store_of(path) == (mirror, url)


def test_urls_have_mirrors_of_their_own(tmp_path: Path) -> None:
    assert len({mirror_of(url, tmp_path) for url in URLS}) == len(URLS)


@pytest.mark.parametrize(
    "path", ["results", f"/x/{SPOOL}", f"/x/{SPOOL}/other", f"/x/{SPOOL}/ftp+a/b", "/x/s3+bucket"]
)
def test_other_folders_are_no_mirrors(path: str) -> None:
    assert store_of(Path(path)) is None


@pytest.mark.parametrize(
    "text",
    [
        "s3://b",
        "s3://key:secret@bucket/x",
        "s3://bucket/../x",
        "s3://bucket/./x",
        "s3://bucket/a+b",
        "s3://bucket//x",
        "s3://bucket/x?versionId=1",
        "https://bucket/x",
        "file:///bucket",
        "S3://Bucket",
        f"s3://bucket/{'a' * 64}/{'b' * 64}/{'c' * 64}",
        "results",
    ],
)
def test_what_is_no_url_of_a_store_is_none(text: str) -> None:
    assert not is_store_url(text)
