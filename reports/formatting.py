"""Numbers, times and texts as people read them: the one place where a figure becomes words.

Rules: a reading shows the digits of its gauge, an estimate the digits that its standard error
leaves; the unit always stands with it; nothing that is not exactly none or all is rounded to 0 %
or 100 %; what cannot be seen in a text (control and direction characters) is made visible.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from qc.plant import Gauge, Shift
from qc.wording import THIN

MINUS = "\u2212"
NOTHING = "–"  # shown where there is no figure to show

SMALLEST_SHARE = 1e-4  # below this, and as close to 1, a share is only bounded
MOST_DECIMALS = 12
ON_GRID = 1e-6  # of a gauge step: nearer than this is on the grid
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # control, format, surrogate, separators


def fixed(x: float, decimals: int) -> str:
    """`x` with that many decimals, digits grouped in threes, and a true minus sign."""
    text = f"{x:,.{decimals}f}".replace(",", THIN)
    if text.startswith("-"):
        return (MINUS if float(f"{x:.{decimals}f}") else "") + text[1:]
    return text


def count(n: float) -> str:
    """A number of items, rows or files."""
    return fixed(n, 0)


def share(part: float, whole: float) -> str:
    """A counted part of a whole: 0 % and 100 % only where it is none or all of it."""
    if whole == 0:
        return NOTHING
    if part in (0, whole):
        return f"{0 if part == 0 else 100}{THIN}%"
    return probability(part / whole)


def probability(p: float) -> str:
    """A probability or estimated share as a percentage, never rounded to 0 % or 100 %."""
    if math.isnan(p):
        return NOTHING
    if p < SMALLEST_SHARE:
        return f"< 0.01{THIN}%"
    if p > 1 - SMALLEST_SHARE:
        return f"> 99.99{THIN}%"
    return f"{100 * p:.{1 if 0.1 <= p <= 0.9 else 2}f}{THIN}%"


def setting(p: float) -> str:
    """A configured share or probability as a percentage, to the digits it was configured with."""
    return f"{100 * p:.6g}{THIN}%"


def ppm(p: float) -> str:
    """A small probability in parts per million, never rounded to 0."""
    return f"< 1{THIN}ppm" if p < 1e-6 else f"{count(p * 1e6)}{THIN}ppm"


def p_value(p: float) -> str:
    """The level at which a test rejects."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def significant(x: float, digits: int = 3) -> str:
    """A number without a gauge (a distance in sds, nats) to so many significant digits."""
    if x == 0 or not math.isfinite(x):
        return f"{x:g}"
    if 1e-4 <= abs(x) < 1e6:
        return fixed(x, max(0, digits - 1 - math.floor(math.log10(abs(x)))))
    return f"{x:.{digits - 1}e}".replace("-", MINUS)


def share_estimate(p: float, se: float | None) -> str:
    """An estimated share with its standard error, both in per cent."""
    if se is None or not se > 0:
        return probability(p)
    decimals = min(_decimals_of_error(100 * se), 4)
    text = f"{100 * p:.{decimals}f}"
    if float(text) in (0.0, 100.0):
        return probability(p)
    return f"{text} ± {100 * se:.{decimals}f}{THIN}%"


def share_interval(low: float | None, high: float | None) -> str:
    """A 95 % interval of a share."""
    if low is None or high is None:
        return NOTHING
    return f"{probability(low)} to {probability(high)}"


@dataclass(frozen=True, slots=True)
class Scale:
    """How one line's readings are written: its unit and the decimals of its gauge.

    Attributes
    ----------
    unit : str
    decimals : int
        Of a single reading.
    resolution : float or None
        The gauge's step in that unit.
    origin : float
        A value on the gauge's grid.
    """

    unit: str
    decimals: int
    resolution: float | None = None
    origin: float = 0.0

    @staticmethod
    def of(gauge: Gauge, unit: str, spread: float) -> Scale:
        """The scale of a gauge; without a resolution, a hundredth of the readings' spread shows."""
        if gauge.resolution is not None:
            decimals = max(_decimals_written(gauge.resolution), _decimals_written(gauge.origin))
            return Scale(unit, decimals, gauge.resolution, gauge.origin)
        if not spread > 0:
            return Scale(unit, 3)
        return Scale(unit, min(max(0, 2 - math.floor(math.log10(spread))), MOST_DECIMALS))

    def bare(self, x: float) -> str:
        """A reading without its unit, for a column or an axis that names the unit."""
        off_grid = self.resolution and abs(x - round(x, self.decimals)) > self.resolution / 100
        return fixed(x, self.decimals + (3 if off_grid else 0))

    def reading(self, x: float) -> str:
        """A reading or limit with its unit."""
        return self.with_unit(self.bare(x))

    def span(self, low: float, high: float) -> str:
        """A stretch between two values."""
        return f"{self.bare(low)} to {self.reading(high)}"

    def readings_in(self, low: float, high: float) -> str:
        """The readings in [low, high), from the first to the last that the gauge can show.

        An infinite end is put in words; the text is empty where no reading falls inside.
        """
        first, last = low, high
        if self.resolution is not None:
            step, origin = self.resolution, self.origin
            if math.isfinite(low):
                first = origin + step * math.ceil((low - origin) / step - ON_GRID)
            if math.isfinite(high):
                last = origin + step * (math.ceil((high - origin) / step - ON_GRID) - 1)
        if first > last:
            return ""
        if math.isinf(first):
            return "every reading" if math.isinf(last) else f"up to {self.reading(last)}"
        if math.isinf(last):
            return f"from {self.reading(first)} up"
        return self.reading(first) if first == last else self.span(first, last)

    def estimate(self, x: float | None, se: float | None) -> str:
        """An estimate with its standard error, to the digits that the error leaves."""
        if x is None:
            return NOTHING
        if se is None or not se > 0 or not math.isfinite(se):
            return self.with_unit(fixed(x, self.decimals + 1))
        decimals = self._decimals(se)
        return self.with_unit(f"{fixed(x, decimals)} ± {fixed(se, decimals)}")

    def interval(self, low: float | None, high: float | None) -> str:
        """A 95 % interval."""
        if low is None or high is None or not math.isfinite(high - low):
            return NOTHING
        decimals = self._decimals((high - low) / 4) if high > low else self.decimals + 1
        return self.with_unit(f"{fixed(low, decimals)} to {fixed(high, decimals)}")

    def with_unit(self, number: str) -> str:
        """The number with this scale's unit, never parted at a line's end."""
        return f"{number}{THIN}{self.unit}" if self.unit else number

    def _decimals(self, error: float) -> int:
        return min(_decimals_of_error(error), self.decimals + 4)


def shift_times(shift: Shift, time_zone: str) -> str:
    """Local date, start and end of a shift with the zone: ``Sun 2026-11-22, 22:00 to 06:00 ...``.

    On the nights of daylight saving both ends name their offset, and the hours are given.
    """
    zone = ZoneInfo(time_zone)
    start, end = shift.start.astimezone(zone), shift.end.astimezone(zone)
    day = f"{WEEKDAYS[start.weekday()]} {start:%Y-%m-%d}"
    next_day = f" on {WEEKDAYS[end.weekday()]}" if end.date() != start.date() else ""
    if start.utcoffset() == end.utcoffset():
        return f"{day}, {start:%H:%M} to {end:%H:%M}{next_day} {_zone(start)}, {time_zone}"
    hours = (shift.end - shift.start).total_seconds() / 3600
    return (
        f"{day}, {start:%H:%M} {_zone(start)} to {end:%H:%M}{next_day} {_zone(end)} "
        f"({hours:g} hours), {time_zone}"
    )


def visible(text: str) -> str:
    """`text` with every character that cannot be seen replaced by a sign that can.

    Control characters become their pictures (␊), direction marks and the like their number in
    brackets, so that an id can neither turn the text around it nor hide anything.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_sign(mark) if unicodedata.category(mark) in UNSEEN else mark for mark in text)


def shorten(text: str, limit: int = 96) -> str:
    """`text` cut to about `limit` characters, saying so and how long it is."""
    if len(text) <= limit:
        return text
    return f"{text[: limit - 24]}… ({count(len(text))} characters)"


def _sign(mark: str) -> str:
    code = ord(mark)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"[U+{code:04X}]"


def _zone(moment: datetime) -> str:
    offset = moment.strftime("%z")
    name = moment.tzname() or ""
    utc = f"UTC{offset[:3]}:{offset[3:5]}".replace("-", MINUS)
    return f"{name} ({utc})" if name.isalpha() and name != "UTC" else utc


def _decimals_written(step: float) -> int:
    """Decimals that a step such as 0.005 is written with."""
    exponent = Decimal(f"{step:.{MOST_DECIMALS}g}").normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return min(max(0, -exponent), MOST_DECIMALS)


def _decimals_of_error(error: float) -> int:
    """Decimals that leave an error two significant digits."""
    return max(0, 1 - math.floor(math.log10(error)))
