"""Where a browser finds what is published: it follows no link from a server's page to a file."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from qc.errors import ConfigError
from qc.plant import Plant

REPORTS_URL = "SHIFTMIX_REPORTS_URL"  # of this process and its children, set by `shiftmix serve`


def url_of(plant: Plant, published: Path) -> str:
    """The web address of a file below the plant's results; empty where nobody serves them."""
    base = plant.operation.reports_url or os.environ.get(REPORTS_URL, "")
    if not base:
        return ""
    if "@" in base:  # it would stand in pages and artifacts, for all to read
        raise ConfigError(
            f"the address in {REPORTS_URL} holds a name or a password",
            remedy="State it without; whoever reads reports signs in at the web server",
        )
    place = published.resolve().relative_to(Path(plant.storage).resolve()).as_posix()
    return f"{base.rstrip('/')}/{quote(place, safe='/=')}"
