"""What travels between processes: pickled; between hosts compressed, since names repeat."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

CODEC = "zstd"
SIZE = 8  # bytes at the head of a parcel: how many it has when it is unpacked


@dataclass(frozen=True, slots=True)
class Raised:
    """What a piece of work raised; pickle alone would lose what the system said."""

    error: Exception
    cause: OSError | None = None

    @staticmethod
    def of(error: Exception) -> Raised:
        """An error with its cause, if that is the system's."""
        cause = error.__cause__
        return Raised(error, cause if isinstance(cause, OSError) else None)

    def again(self) -> Exception:
        """The error as it was."""
        self.error.__cause__ = self.cause
        return self.error


def packed(what: object) -> bytes:
    """Something that can be pickled, as few bytes."""
    plain = pickle.dumps(what, protocol=pickle.HIGHEST_PROTOCOL)
    small: bytes = pa.compress(plain, CODEC, asbytes=True)
    return len(plain).to_bytes(SIZE, "little") + small


def unpacked(parcel: bytes) -> Any:
    """What was packed, by a process of the same run."""
    size = int.from_bytes(parcel[:SIZE], "little")
    plain = pa.decompress(parcel[SIZE:], size, CODEC, asbytes=True)
    return pickle.loads(plain)  # noqa: S301 - of a process of the same run
