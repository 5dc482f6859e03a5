"""What a change does to a card or another YAML file: its metadata value by value, its text by lines."""

from __future__ import annotations

from openhood.base.errors import InvalidCard
from openhood.engines.diffs import settings
from openhood.engines.diffs.parts import Side, Unreadable
from openhood.engines.formats.card import parse_yaml, split_card

_MAX_BYTES = 4 * 1024 * 1024


def compare_cards(old: Side, new: Side) -> dict[str, object]:
    """Compare ``README.md`` files: front matter and text. Raises Unreadable and what reading raises."""
    before, after = split_card(_text(old)), split_card(_text(new))
    changes = settings.differ(_front(before.front), _front(after.front))
    text = settings.text_lines(before.body, after.body)
    lines = []
    if changes.count:
        lines.append(f"metadata: {settings.summarise(changes)}")
    if text["added"] or text["removed"]:
        lines.append(f"text: {settings.line_counts(text)}")
    return {
        "changeCount": changes.count,
        "changes": [each.shown() for each in changes.first],
        "text": text,
        "summary": "; ".join(lines) or "nothing but spaces changed",
    }


def compare_yaml(old: Side, new: Side) -> dict[str, object]:
    """Compare YAML files. Raises Unreadable and what reading raises."""
    return settings.compare_documents(_front(_text(old)), _front(_text(new)))


def compare_text(old: Side, new: Side) -> dict[str, object]:
    """Compare plain text, such as a chat template, by lines. Raises Unreadable and what reading raises."""
    text = settings.text_lines(_text(old), _text(new))
    return {"text": text, "summary": settings.line_counts(text)}


def _text(side: Side) -> str:
    return side[0].whole(limit_bytes=_MAX_BYTES).decode("utf-8", "replace") if side else ""


def _front(text: str | None) -> object:
    try:
        found = parse_yaml(text) if text else None
    except InvalidCard as error:
        raise Unreadable(error.message) from error
    return {} if found is None else found
