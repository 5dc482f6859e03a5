"""What a change does to a tokenizer: tokens added, removed and given other numbers, merges, and the rest of its settings.

Reads ``tokenizer.json``, ``vocab.json``, ``vocab.txt``, ``merges.txt`` and SentencePiece models.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from openhood.engines.diffs import settings
from openhood.engines.diffs.parts import Side, Unreadable, clip, counted

_MAX_BYTES = 128 * 1024 * 1024
_MAX_TEXT_BYTES = 32 * 1024 * 1024
_SAMPLES = 50


def compare_tokens(old: Mapping[str, int], new: Mapping[str, int]) -> dict[str, object]:
    """Return what became of tokens, by their text; one that has another number is one whose embedding is another."""
    added = [each for each in new if each not in old]
    removed = [each for each in old if each not in new]
    renumbered = [each for each, place in old.items() if each in new and new[each] != place]
    said: dict[str, object] = {
        "oldSize": len(old),
        "newSize": len(new),
        "addedCount": len(added),
        "removedCount": len(removed),
        "renumberedCount": len(renumbered),
        "added": [{"token": clip(each), "id": new[each]} for each in added[:_SAMPLES]],
        "removed": [{"token": clip(each), "id": old[each]} for each in removed[:_SAMPLES]],
        "renumbered": [
            {"token": clip(each), "old": old[each], "new": new[each]} for each in renumbered[:_SAMPLES]
        ],
    }
    lines = [
        f"{counted(len(each), 'token')} {what}"
        for each, what in ((added, "added"), (removed, "removed"))
        if each
    ]
    if renumbered:
        lines.append(f"{counted(len(renumbered), 'token')} got other ids, so embeddings no longer match")
        said["note"] = (
            "tokens with another id use another row of the embeddings: the weights must be changed alike"
        )
    said["summary"] = "; ".join(lines) or f"same vocabulary ({counted(len(new), 'token')})"
    return said


def compare_tokenizer(old: Side, new: Side) -> dict[str, object]:
    """Compare ``tokenizer.json`` files. Raises Unreadable and what reading raises."""
    # One document at a time: each may take ten times its size.
    before, after = (
        _Tokenizer(settings.load_json(old, limit_bytes=_MAX_BYTES)),
        _Tokenizer(settings.load_json(new, limit_bytes=_MAX_BYTES)),
    )
    said: dict[str, object] = {}
    vocabulary = compare_tokens(before.tokens, after.tokens)
    special = settings.differ(before.special, after.special)
    rest = settings.differ(before.rest, after.rest)
    lines = [str(vocabulary.pop("summary"))]
    if not old or not new:
        return {"vocabulary": {"size": len((after if new else before).tokens)}, "summary": lines[0]}
    merges = _compare_lists(before.merges, after.merges)
    said["vocabulary"], said["merges"] = vocabulary, merges
    said["specialTokens"] = [each.shown() for each in special.first]
    said["changes"] = [each.shown() for each in rest.first]
    said["changeCount"] = rest.count
    lines += _merge_lines(merges)
    if special.count:
        lines.append(f"{counted(special.count, 'value')} of special tokens changed")
    if rest.count:
        lines.append(settings.summarise(rest))
    said["summary"] = "; ".join(lines)
    return said


class _Tokenizer:
    """The parts of a ``tokenizer.json`` that are compared each in its own way."""

    def __init__(self, document: object) -> None:
        self.tokens: dict[str, int] = {}
        self.merges: tuple[str, ...] = ()
        self.special: dict[str, object] = {}
        self.rest: dict[str, object] = {}
        if document is None:
            return
        if not isinstance(document, dict):
            raise Unreadable("The tokenizer is not a JSON object.")
        added = document.pop("added_tokens", None)
        if isinstance(added, list):
            self.special = {
                str(each.get("content")): {key: value for key, value in each.items() if key != "content"}
                for each in added
                if isinstance(each, dict)
            }
        model = document.get("model")
        if isinstance(model, dict):
            self.tokens = _tokens_of(model.pop("vocab", None))
            merges = model.pop("merges", None)
            if isinstance(merges, list):
                # Written as one text or, by newer releases, as two.
                self.merges = tuple(
                    each if isinstance(each, str) else " ".join(str(part) for part in each)
                    for each in merges
                    if isinstance(each, str | list)
                )
        for token, said in self.special.items():
            place = said.get("id") if isinstance(said, dict) else None
            if type(place) is int:
                self.tokens.setdefault(token, place)
        self.rest = document


def _tokens_of(vocabulary: object) -> dict[str, int]:
    if isinstance(vocabulary, dict):
        return {token: place for token, place in vocabulary.items() if type(place) is int}
    if isinstance(vocabulary, list):
        return {
            str(each[0]): index for index, each in enumerate(vocabulary) if isinstance(each, list) and each
        }
    return {}


def _compare_lists(old: Sequence[str], new: Sequence[str]) -> dict[str, object]:
    before, after = set(old), set(new)
    added = [each for each in new if each not in before]
    removed = [each for each in old if each not in after]
    return {
        "oldSize": len(old),
        "newSize": len(new),
        "addedCount": len(added),
        "removedCount": len(removed),
        "reordered": [each for each in old if each in after] != [each for each in new if each in before],
        "added": [clip(each) for each in added[:_SAMPLES]],
        "removed": [clip(each) for each in removed[:_SAMPLES]],
    }


def _merge_lines(merges: Mapping[str, object]) -> Iterator[str]:
    if merges["addedCount"]:
        yield f"{counted(int(str(merges['addedCount'])), 'merge')} added"
    if merges["removedCount"]:
        yield f"{counted(int(str(merges['removedCount'])), 'merge')} removed"
    if merges["reordered"]:
        yield "merges in another order"


def compare_vocab_json(old: Side, new: Side) -> dict[str, object]:
    """Compare ``vocab.json`` files: token → number. Raises Unreadable and what reading raises."""
    sides = []
    for side in (old, new):
        document = settings.load_json(side, limit_bytes=_MAX_BYTES)
        if document is not None and not isinstance(document, dict):
            raise Unreadable("The vocabulary is not a JSON object of tokens and numbers.")
        sides.append(_tokens_of(document))
    return compare_tokens(*sides)


def compare_token_lines(old: Side, new: Side) -> dict[str, object]:
    """Compare ``vocab.txt`` files: a token in each line. Raises Unreadable and what reading raises."""
    return compare_tokens(*({line: index for index, line in enumerate(_lines(side))} for side in (old, new)))


def compare_merges(old: Side, new: Side) -> dict[str, object]:
    """Compare ``merges.txt`` files. Raises Unreadable and what reading raises."""
    before, after = (
        [line for line in _lines(side) if line and not line.startswith("#version")] for side in (old, new)
    )
    merges = _compare_lists(before, after)
    return {"merges": merges, "summary": "; ".join(_merge_lines(merges)) or "same merges"}


def _lines(side: Side) -> list[str]:
    if not side:
        return []
    text = side[0].whole(limit_bytes=_MAX_TEXT_BYTES).decode("utf-8", "replace")
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def compare_sentencepiece(old: Side, new: Side) -> dict[str, object]:
    """Compare SentencePiece models by their pieces. Raises Unreadable and what reading raises."""
    sides = []
    for side in (old, new):
        data = side[0].whole(limit_bytes=_MAX_TEXT_BYTES) if side else b""
        sides.append({piece: index for index, piece in enumerate(_pieces(data))})
    return compare_tokens(*sides)


def _pieces(data: bytes) -> Iterator[str]:
    """Yield the pieces of a model: field 1 of the message, whose field 1 is the text.

    **Source**: sentencepiece ``sentencepiece_model.proto``.
    """
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            text = next((each for place, each in _fields(value) if place == 1), None)
            if isinstance(text, bytes):
                yield text.decode("utf-8", "replace")


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield the fields of a protobuf message. Raises Unreadable."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if kind == 2:
            length, at = _varint(data, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise Unreadable("The file is not a SentencePiece model.")
        if at + length > len(data):
            raise Unreadable("The SentencePiece model ends too early.")
        yield tag >> 3, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise Unreadable("The SentencePiece model ends too early.")
        value |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return value, at
    raise Unreadable("The file is not a SentencePiece model.")
