"""SVG paths in few characters: steps instead of places, in tenths of a user unit.

A step is the difference of two places that were rounded before, so that errors never add up. The
grammar of paths asks for a space only where two numbers would run into each other.
"""

from __future__ import annotations

from collections.abc import Iterable

Place = tuple[float, float]


class Pen:
    """Draws a path stroke by stroke; places are absolute, in user units."""

    def __init__(self) -> None:
        self._x = self._y = 0
        self._command = ""
        self._written: list[str] = []

    def move(self, x: float, y: float) -> Pen:
        """Begin a stroke."""
        to_x, to_y = _tenths(x), _tenths(y)
        if self._command in ("", "z"):  # where a closed stroke ends is not kept
            self._write("M", to_x, to_y)
        else:
            self._write("m", to_x - self._x, to_y - self._y)
        self._x, self._y = to_x, to_y
        self._command = "m"  # numbers after these would be a line's
        return self

    def line(self, x: float, y: float) -> Pen:
        """A straight line."""
        to_x, to_y = _tenths(x), _tenths(y)
        along, down = to_x - self._x, to_y - self._y
        self._x, self._y = to_x, to_y
        if not down:
            self._write("h", along)
        elif not along:
            self._write("v", down)
        else:
            self._write("l", along, down)
        return self

    def across(self, x: float) -> Pen:
        """A line to the left or right."""
        return self.line(x, self._y / 10)

    def up_or_down(self, y: float) -> Pen:
        """A line up or down."""
        return self.line(self._x / 10, y)

    def stay(self) -> Pen:
        """A line of no length: a corner all the same."""
        self._write("h", 0)
        return self

    def close(self) -> Pen:
        """A line back to where the stroke began; the next one begins with `move`."""
        self._written.append("z")
        self._command = "z"
        return self

    @property
    def path(self) -> str:
        """What has been drawn."""
        return "".join(self._written)

    def _write(self, command: str, *numbers: int) -> None:
        if command != self._command or command == "m":
            self._written.append(command)
            self._command = command
        for number in numbers:
            text = _shortest(number)
            last = self._written[-1]
            alone = last[-1].isalpha() or text[0] == "-" or (text[0] == "." and "." in last)
            self._written.append(text if alone else f" {text}")


def through(places: Iterable[Place]) -> Pen:
    """A pen that has drawn straight lines from each place to the next."""
    pen = Pen()
    begin, go_on = pen.move, pen.line
    for k, (x, y) in enumerate(places):
        (go_on if k else begin)(x, y)
    return pen


def _tenths(value: float) -> int:
    return round(10 * value)


def _shortest(tenths: int) -> str:
    """A number of tenths without zeros that say nothing."""
    whole, part = divmod(abs(tenths), 10)
    text = f"{whole or ''}.{part}" if part else str(whole)
    return f"-{text}" if tenths < 0 else text
