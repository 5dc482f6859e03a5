"""Formulas in LaTeX, made into MathML that can do nothing but be read.

Where formulas stand in a text is found by `markup_formulas`; what cannot be read, or is too much, is told with None.
"""

from __future__ import annotations

import html
import re
import time
from xml.etree.ElementTree import Element

import nh3
from latex2mathml.converter import convert_to_element
from latex2mathml.exceptions import (
    DenominatorNotFoundError,
    DoubleSubscriptsError,
    DoubleSuperscriptsError,
    ExtraLeftOrMissingRightError,
    InvalidAlignmentError,
    InvalidStyleForGenfracError,
    InvalidWidthError,
    LimitsMustFollowMathOperatorError,
    MissingEndError,
    MissingSuperScriptOrSubscriptError,
    NoAvailableTokensError,
    NumeratorNotFoundError,
)

MAX_CHARS = 2_000
"""Of one formula."""

MAX_DEPTH = 40
"""Of braces, brackets and environments in each other, and of the elements made of them."""

MAX_TEXT_CHARS = 60_000
"""Of all formulas of one text."""

MAX_TEXT_S = 1.0
"""How long all formulas of one text may take; those that are left stay as they were written."""

TAGS = frozenset(
    """
    math menclose mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms mspace msqrt mstyle msub
    msubsup msup mtable mtd mtext mtr munder munderover none
    """.split()  # noqa: SIM905
)
"""No ``maction``, ``annotation-xml``, ``semantics`` or ``mglyph``: those hold other things than formulas."""

ATTRIBUTES: dict[str, set[str]] = {
    "*": {"displaystyle", "mathvariant", "scriptlevel"},
    "math": {"display"},
    "menclose": {"notation"},
    "mfrac": {"linethickness"},
    "mo": {
        "accent", "fence", "form", "largeop", "lspace", "maxsize", "minsize", "movablelimits", "rspace", "separator",
        "stretchy", "symmetric",
    },
    "mover": {"accent"},
    "mpadded": {"depth", "height", "lspace", "voffset", "width"},
    "mspace": {"depth", "height", "width"},
    "mtable": {"columnalign", "columnlines", "columnspacing", "frame", "rowlines", "rowspacing"},
    "mtd": {"columnalign", "columnspan", "rowspan"},
    "munder": {"accentunder"},
    "munderover": {"accent", "accentunder"},
}  # fmt: skip
"""Lengths, alignments and yes or no. No ``href``, ``class``, ``style``, ``id``, colours or sizes of letters."""

_ARITY = {
    "mfrac": 2, "mover": 2, "mroot": 2, "msub": 2, "msubsup": 3, "msup": 2, "munder": 2, "munderover": 3,
}  # fmt: skip
_VALUE = re.compile(r"[A-Za-z0-9 .+-]{1,60}")
# Wider or taller than this is no formula but a way to push the page aside.
_LONG = re.compile(r"[0-9]{3}|[2-9][0-9](?!\.?[0-9]*(?:pt|px|mu))")
_OPENING = re.compile(r"\\(?:left|begin)\b|(?<!\\)\{")
_CLOSING = re.compile(r"\\(?:right|end)\b|(?<!\\)\}")
_UNKNOWN = re.compile(r"\\[A-Za-z]+")
_REFUSED = (
    DenominatorNotFoundError,
    DoubleSubscriptsError,
    DoubleSuperscriptsError,
    ExtraLeftOrMissingRightError,
    InvalidAlignmentError,
    InvalidStyleForGenfracError,
    InvalidWidthError,
    LimitsMustFollowMathOperatorError,
    MissingEndError,
    MissingSuperScriptOrSubscriptError,
    NoAvailableTokensError,
    NumeratorNotFoundError,
    # What the converter says of input it did not expect.
    IndexError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    StopIteration,
    RecursionError,
)


class _Refused(Exception):
    """The formula cannot be shown."""


class Allowance:
    """What the formulas of one text may cost together."""

    def __init__(self) -> None:
        self._chars = MAX_TEXT_CHARS
        self._taken_s = 0.0

    def convert(self, latex: str, *, is_block: bool) -> str | None:
        """Return a formula as MathML, None where it cannot be read or where no more may be spent."""
        self._chars -= len(latex)
        if self._chars < 0 or self._taken_s > MAX_TEXT_S:
            return None
        begun = time.perf_counter()
        try:
            return to_mathml(latex, is_block=is_block)
        finally:
            self._taken_s += time.perf_counter() - begun


def to_mathml(latex: str, *, is_block: bool) -> str | None:
    """Return a formula as a ``<math>`` element, None for what is no formula, too long or too deep."""
    text = latex.strip()
    if not text or len(text) > MAX_CHARS or not _is_balanced(text):
        return None
    try:
        made = convert_to_element(text, display="block" if is_block else "inline")
        pieces: list[str] = []
        _write(made, pieces, depth=0)
    except (*_REFUSED, _Refused):
        return None
    return nh3.clean(
        "".join(pieces),
        tags=set(TAGS),
        attributes=ATTRIBUTES,
        attribute_filter=_judge,
        clean_content_tags=set(),
        link_rel=None,
    )


def _is_balanced(text: str) -> bool:
    """Tell whether every brace and environment is closed, and none lies too deep."""
    marks = [(found.start(), 1) for found in _OPENING.finditer(text)]
    marks += [(found.start(), -1) for found in _CLOSING.finditer(text)]
    depth = 0
    for _place, step in sorted(marks):
        depth += step
        if not 0 <= depth <= MAX_DEPTH:
            return False
    return depth == 0


def _write(element: Element, pieces: list[str], *, depth: int) -> None:
    """Write an element; the converter keeps references to characters in its texts and escapes nothing."""
    if depth > 2 * MAX_DEPTH:
        raise _Refused
    name = element.tag if element.tag in TAGS else "mrow"
    pieces.append(f"<{name}")
    for key, value in element.attrib.items():
        pieces.append(f' {key}="{html.escape(value)}"' if key.isalpha() else "")
    pieces.append(">")
    text = html.unescape(element.text or "")
    if _UNKNOWN.match(text):
        raise _Refused  # a command that the converter does not know
    pieces.append(html.escape(text))
    for child in _children(element):
        _write(child, pieces, depth=depth + 1)
    pieces.append(f"</{name}>")


def _children(element: Element) -> list[Element]:
    """Return the children of an element, as many as it takes: of ``(…)^2`` the converter makes four where two belong."""
    found, wanted = list(element), _ARITY.get(element.tag)
    if wanted is None or len(found) == wanted:
        return found
    if len(found) < wanted:
        raise _Refused
    base = Element("mrow")
    base.extend(found[: len(found) - wanted + 1])
    return [base, *found[len(found) - wanted + 1 :]]


def _judge(_tag: str, _attribute: str, value: str) -> str | None:
    return value if _VALUE.fullmatch(value) and not _LONG.search(value) else None
