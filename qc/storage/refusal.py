"""Why a file of measurements cannot be used; raised inside the reader, a `Reject` outside of it."""

from __future__ import annotations

import os
import pwd

from qc.records import Reject
from qc.storage.paths import shown

FILE_REFUSED = "file refused"


class Refused(Exception):  # noqa: N818 - a decision on a file, not an error of the program
    """The file cannot be used.

    Parameters
    ----------
    detail : str
        What was met, with column and value.
    remedy : str
        What to do about it.
    """

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(detail, remedy)
        self.detail = detail
        self.remedy = remedy


def refuse(path: str, detail: str, remedy: str, sha256: str | None = None) -> Reject:
    """The record of a whole file that cannot be used."""
    return Reject(FILE_REFUSED, path, None, None, detail, remedy, sha256)


def refusal(path: str, error: Exception, sha256: str | None = None) -> Reject:
    """The record of the file that this error was met in."""
    if isinstance(error, Refused):
        return refuse(path, error.detail, error.remedy, sha256)
    if isinstance(error, PermissionError):
        detail = f"permission denied for the user {_user()}"
        return refuse(path, detail, "Let the user of this process read it", sha256)
    if isinstance(error, FileNotFoundError):
        return refuse(path, "the file vanished after it was listed", "Run again", sha256)
    message = str(error).strip().splitlines() or [""]
    detail = f"it cannot be decoded ({type(error).__name__}: {shown(message[0])[:200]})"
    return refuse(path, detail, "Write or copy the file again", sha256)


def _user() -> str:
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # in a container there may be no name for it
        return str(number)
