"""A card as plain text: for search, and as the short description of a dataset.

Markdown marks, HTML tags, addresses and pictures go; what people would read stays. Every step looks at
each character a fixed number of times, whatever the text is.
"""

from __future__ import annotations

import html
import re

from openhood.domain.catalog.types import MAX_SUMMARY_CHARACTERS

MAX_DESCRIPTION_CHARACTERS = 500

# So much of a card is looked at, of which markup and addresses are a part.
_LOOKED_AT = 8 * MAX_SUMMARY_CHARACTERS
_MAX_CITATION_CHARACTERS = 5_000

# Each class excludes the character that begins a match, so that no start is tried over the same text twice.
_IMAGE = re.compile(r"!\[[^\[\]]*\](?:\([^()\n]*\)|\[[^\[\]\n]*\])?")
_LINK = re.compile(r"\[([^\[\]]*)\](?:\([^()\n]*(?:\([^()\n]*\)[^()\n]*)?\)|\[[^\[\]\n]*\])")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_BREAKING_TAG = re.compile(
    r"</?(?:p|div|br|h[1-6]|li|ul|ol|tr|table|details|summary)\b[^<>]*>", re.IGNORECASE
)
_ADDRESS = re.compile(r"<?\b(?:https?|ftp|mailto):[^\s<>()\[\]\"']+>?")
_FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,}).*$", re.MULTILINE)
_DEFINITION = re.compile(r"^ {0,3}\[[^\[\]\n]+\]:.*$", re.MULTILINE)
_RULE = re.compile(r"^[ \t|:*_=+-]+$", re.MULTILINE)
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t](.*)$", re.MULTILINE)
_LINE_MARK = re.compile(r"^[ \t]*(?:[>*+-](?=\s)|\d{1,3}[.)](?=\s))+[ \t]*", re.MULTILINE)
_MARKS = re.compile(r"[*`~\\]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")
_BLANK_LINES = re.compile(r"\n\s*\n")
_ENTRY = re.compile(r"^[ \t]*@[A-Za-z]{3,30}[ \t]*\{", re.MULTILINE)


def summarise(body: str) -> str:
    """Return a card's text for search: on one line, at most `MAX_SUMMARY_CHARACTERS`."""
    return " ".join(_readable(body).split())[:MAX_SUMMARY_CHARACTERS].rstrip()


def introduce(body: str) -> str | None:
    """Return the beginning of a card's text, its paragraphs apart, as the Hub describes a dataset; None if empty."""
    paragraphs = (" ".join(part.split()) for part in _BLANK_LINES.split(_readable(body)))
    text = "\n\n".join(part for part in paragraphs if part)
    if len(text) > MAX_DESCRIPTION_CHARACTERS:
        cut = text[:MAX_DESCRIPTION_CHARACTERS]
        text = (cut[: cut.rfind(" ")] if " " in cut else cut).rstrip() + "…"
    return text or None


def citation(body: str) -> str | None:
    """Return the first BibTeX entry of a card, None where there is none that ends."""
    text = body[: 4 * _LOOKED_AT]
    found = _ENTRY.search(text)
    if found is None:
        return None
    depth = 0
    for position in range(found.end() - 1, min(len(text), found.end() + _MAX_CITATION_CHARACTERS)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return _CONTROLS.sub("", text[found.start() : position + 1].strip().replace("\r\n", "\n"))
    return None


def _readable(body: str) -> str:
    text = _CONTROLS.sub("", body[:_LOOKED_AT].replace("\r\n", "\n"))
    text = _without_comments(text)
    text = _FENCE.sub("\n", text)
    text = _IMAGE.sub("", text)
    text = _DEFINITION.sub("", text)
    text = _LINK.sub(r"\1", text)
    text = _TAG.sub("", _BREAKING_TAG.sub("\n\n", text))
    text = _ADDRESS.sub("", text)
    text = _HEADING.sub(r"\n\n\1\n\n", _RULE.sub("", text))
    text = _LINE_MARK.sub("", text)
    text = html.unescape(_MARKS.sub("", text.replace("|", " ")))
    return _CONTROLS.sub("", text)


def _without_comments(text: str) -> str:
    parts = []
    start = 0
    while (opened := text.find("<!--", start)) >= 0:
        parts.append(text[start:opened])
        closed = text.find("-->", opened + 4)
        if closed < 0:
            return "".join(parts)
        start = closed + 3
    return "".join([*parts, text[start:]])
