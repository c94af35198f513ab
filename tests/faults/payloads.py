"""Hostile strings, and a shift that says them wherever a text is free.

They are of the kinds that have broken reports elsewhere: markup, broken out attributes, scripts in
SVG and MathML, markup that changes when it is parsed twice, CSS, URLs, templates, formulas of
spreadsheets, characters that cannot be seen or turn the text around them, texts of no length and of
great length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from qc.records import LineEvidence, ShiftRecord
from tests.reports import samples

EVIL = "http://evil.example"

PAYLOADS: tuple[str, ...] = (
    # Markup
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    f"<img src={EVIL}/a onerror=alert(1)>",
    "<img src=x:x onerror=alert(1)//",
    f"<iframe srcdoc='<script>parent.alert(1)</script>' src={EVIL}>",
    f"<object data={EVIL}/o></object>",
    f"<embed src={EVIL}/e>",
    f"<link rel=stylesheet href={EVIL}/s.css>",
    f"<meta http-equiv=refresh content='0;url={EVIL}'>",
    f"<base href={EVIL}/>",
    f"<form action={EVIL}><button autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<input autofocus onfocus=alert(1)>",
    "<marquee onstart=alert(1)>x</marquee>",
    f"<video><source onerror=alert(1) src={EVIL}/v></video>",
    f"<audio src={EVIL}/a autoplay>",
    "<body onload=alert(1)>",
    f"<a href='javascript:alert(1)' ping={EVIL}>x</a>",
    "<b>bold</b><br><hr>",
    "</main></body></html>",
    # Out of what stands around it
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    "\"' onmouseover=alert(1) x='\"",
    "` onload=alert(1) `",
    "</title><script>alert(1)</script>",
    "</style><style>body{display:none}</style>",
    "</textarea></script></noscript>",
    "--><script>alert(1)</script><!--",
    "]]><script>alert(1)</script><![CDATA[",
    "</td></tr></table><h1>x</h1>",
    "</bdi></p></section>",
    # SVG and MathML
    "</svg><svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    f"<svg><image href={EVIL}/i /></svg>",
    f"<svg><use href={EVIL}/u#x /></svg>",
    "<svg><a xlink:href=javascript:alert(1)><text>x</text></a></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><foreignObject><body onload=alert(1)></foreignObject></svg>",
    "</desc></title><text>x</text>",
    "<math><maction actiontype=statusline xlink:href=javascript:alert(1)>x",
    # Markup that changes when it is parsed twice
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "<<script>alert(1)//<</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "&amp;amp; &copy &notanentity; &#0; &#x110000;",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    # CSS and URLs
    f"url({EVIL}/c)",
    "x;} * { display: none } a {",
    f"@import '{EVIL}/i.css';",
    "expression(alert(1))",
    "javascript:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "//evil.example/x",
    "../../../../etc/passwd",
    "#main",
    # Templates and formats
    "{{ 7 * 7 }}",
    "{{ ''.__class__.__mro__ }}",
    "{% raw %}{% include '/etc/passwd' %}",
    "${7*7} #{7*7} <%= 7*7 %>",
    "%s %n %(x)s {0} {x!r}",
    "\\u003cscript\\u003e \\x3cb\\x3e",
    "__proto__",
    "'; DROP TABLE items; --",
    # Spreadsheets
    f'=HYPERLINK("{EVIL}","x")',
    "+1+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    '-2+3,"x"\r\n=1+1',
    # What cannot be seen, or turns what stands beside it
    "a\u202egnp.exe",
    "\u2066\u2067left\u2069 \u200e\u200f",
    "zero\u200bwidth\ufeff\u00adsoft",
    "nul\x00bell\x07esc\x1b[31mred",
    "one\ntwo\r\nthree\tfour\u2028five\u2029six",
    "\ud800 half of a character",
    "Z\u0351\u0358\u0357\u0304\u035ea\u0321\u0322l\u0338\u0337go",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U000e0041",
    "مرحبا עברית",
    "<\x00script>alert(1)</script>",
    # Length
    " ",
    "0",
    "None",
    "W" * 400,
    "<" * 90,
    "x" * 40 + "<script>alert(1)</script>" + "x" * 40,
)

# What a text cannot be made of: names that the configuration admits to paths only, zones, hashes,
# and what ties records to one another.
FIXED = {
    ("Line", "name"),
    ("LineOutcome", "line"),
    ("Since", "line"),
    ("ShiftRecord", "time_zone"),
}


def hostile_shift(texts: Iterator[str]) -> tuple[ShiftRecord, dict[str, LineEvidence]]:
    """The sample shift with the next of `texts` in the place of every text of its records.

    Texts are found by the annotations of the records, so that one which is added is found, too;
    only `FIXED` ones stay.
    """
    record, evidence = samples.shift()
    told = {
        name: replace(one, held=tuple(_spoilt(item, texts) for item in one.held[:3]))
        for name, one in evidence.items()
    }
    return _spoilt(record, texts), told


def spoilt_fields(kind: type[Any]) -> set[tuple[str, str]]:
    """Every field of a record, and of the records in it, that `hostile_shift` fills."""
    found: set[tuple[str, str]] = set()
    for name, hint in get_type_hints(kind).items():
        for inner in _kinds(hint):
            if inner is str and (kind.__name__, name) not in FIXED:
                found.add((kind.__name__, name))
            elif is_dataclass(inner) and isinstance(inner, type):
                found |= spoilt_fields(inner)
    return found


def _kinds(hint: Any) -> list[Any]:
    inner = get_args(hint)
    return [kind for part in inner for kind in _kinds(part)] if inner else [hint]


def _spoilt(value: Any, texts: Iterator[str], hint: Any = None) -> Any:
    """A record with its texts replaced, by their annotations: what is no free text stays."""
    if is_dataclass(value) and not isinstance(value, type):
        hints = get_type_hints(type(value))
        changed = {
            field.name: _spoilt(getattr(value, field.name), texts, hints[field.name])
            for field in fields(value)
            if (type(value).__name__, field.name) not in FIXED
        }
        return replace(value, **changed)
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        (kind,) = (part for part in inner if part is not type(None))
        return None if value is None else _spoilt(value, texts, kind)
    if origin is tuple:
        kinds = inner[:1] * len(value) if inner[1:] == (...,) else inner
        return tuple(_spoilt(one, texts, kind) for one, kind in zip(value, kinds, strict=True))
    if origin is dict:
        return {next(texts): _spoilt(one, texts, inner[1]) for one in value.values()}
    return next(texts) if hint is str else value
