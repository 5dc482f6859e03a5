"""git's glob language as regular expressions over bytes, for ignore and attribute rules.

Only single patterns live here; which rule wins is `gitignore`'s and `gitattributes`'s business.
**Source**: git ``wildmatch.c`` with WM_PATHNAME, ``gitignore(5)``.
"""

from __future__ import annotations

import re
from typing import TypeAlias

_Component: TypeAlias = list[list[bytes]]
"""Fixed pieces, each a list of one-byte expressions; between two of them stands a star."""

_CLASSES = {
    b"alnum": rb"0-9A-Za-z",
    b"alpha": rb"A-Za-z",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": rb"0-9",
    b"graph": rb"\x21-\x7e",
    b"lower": rb"a-z",
    b"print": rb"\x20-\x7e",
    b"punct": rb"!-/:-@\[-`{-~",
    b"space": rb" \t\r\n\v\f",
    b"upper": rb"A-Z",
    b"xdigit": rb"0-9A-Fa-f",
}


def translate(pattern: bytes) -> bytes | None:
    """Return the source of a regular expression for ``fullmatch`` (with DOTALL), None if nothing can match.

    ``*``, ``?`` and ``[...]`` do not match ``/``; ``**`` between slashes or ends does. Git matches
    bytes, so that ``?`` is one byte of a longer character here as there.

    Patterns come from strangers, so that the expression must never backtrack exponentially: what lies
    between two stars is taken where it first fits, in an atomic group. That loses no match, since
    taking it further right leaves less for the rest.
    """
    runs: list[list[_Component]] = [[[[]]]]
    at, size = 0, len(pattern)
    while at < size:
        byte = pattern[at : at + 1]
        component = runs[-1][-1]
        if byte == b"*":
            end = at
            while pattern[end : end + 1] == b"*":
                end += 1
            if end - at >= 2 and component == [[]] and pattern[end : end + 1] in (b"", b"/"):
                # `**` as a whole component: whatever follows is a run of its own.
                runs[-1].pop()
                runs.append([[[]]])
                if end == size:
                    runs[-1] = []
                at = end + 1
                continue
            component.append([])
            at = end
            continue
        if byte == b"[":
            found = _bracket(pattern, at + 1)
            if found is None:
                return None
            component[-1].append(found[0])
            at = found[1]
            continue
        if byte == b"\\":
            at += 1
            if at >= size:
                return None
            byte = pattern[at : at + 1]
        elif byte == b"?":
            component[-1].append(b"[^/]")
            at += 1
            continue
        if byte == b"/":
            runs[-1].append([[]])
        else:
            component[-1].append(re.escape(byte))
        at += 1
    return _join_runs(runs)


def has_glob(pattern: bytes) -> bool:
    """Tell whether a pattern holds anything but literal bytes."""
    return re.search(rb"[*?\[\\]", pattern) is not None


def _join_runs(runs: list[list[_Component]]) -> bytes:
    """Put the runs between ``**`` together: the first is anchored, the last ends the path."""
    out = [b"/".join(_component(one) for one in runs[0])]
    if len(runs) > 1 and runs[0]:
        out.append(b"/")
    for run in runs[1:-1]:
        if run:
            inner = b"/".join(_component(one) for one in run)
            out.append(b"(?>(?:[^/]*/)*?" + inner + b"/)")
    if len(runs) > 1:
        if runs[-1]:
            out.append(b"(?:[^/]*/)*" + b"/".join(_component(one) for one in runs[-1]))
        else:
            out.append(b".*")
    return b"".join(out)


def _component(pieces: _Component) -> bytes:
    """Translate what lies between two slashes: fixed pieces with a star between each two."""
    out = [b"".join(pieces[0])]
    for piece in pieces[1:-1]:
        out.append(b"(?>[^/]*?" + b"".join(piece) + b")")
    if len(pieces) > 1:
        out.append(b"[^/]*" + b"".join(pieces[-1]))
    return b"".join(out)


def _bracket(pattern: bytes, at: int) -> tuple[bytes, int] | None:
    """Translate a bracket expression whose first byte is at ``at``; None when it is never closed."""
    negated = pattern[at : at + 1] in (b"!", b"^")
    if negated:
        at += 1
    allowed: set[int] = set()
    first = True
    previous: int | None = None
    while True:
        byte = pattern[at : at + 1]
        if not byte:
            return None
        if byte == b"]" and not first:
            break
        first = False
        if byte == b"[" and pattern[at + 1 : at + 2] == b":":
            end = pattern.find(b":]", at + 2)
            if end >= 0 and b"]" not in pattern[at + 2 : end]:
                members = _CLASSES.get(pattern[at + 2 : end])
                if members is None:
                    return None
                allowed.update(c for c in range(256) if re.match(b"[" + members + b"]", bytes([c])))
                at, previous = end + 2, None
                continue
        if byte == b"-" and previous is not None and pattern[at + 1 : at + 2] not in (b"", b"]"):
            at += 1
            if pattern[at : at + 1] == b"\\":
                at += 1
                if at >= len(pattern):
                    return None
            allowed.update(range(previous, pattern[at] + 1))
            at, previous = at + 1, None
            continue
        if byte == b"\\":
            at += 1
            if at >= len(pattern):
                return None
        previous = pattern[at]
        allowed.add(previous)
        at += 1
    if negated:
        allowed = set(range(256)) - allowed
    allowed.discard(ord("/"))
    if not allowed:
        return b"(?!)", at + 1
    return b"[" + b"".join(b"\\x%02x" % c for c in sorted(allowed)) + b"]", at + 1
