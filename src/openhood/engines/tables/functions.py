"""The functions that conditions may call on a column, in one table: what they take, and what the engine calls them.

What is not here does not exist: no function that reads a file, a setting or the clock, or makes texts without bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from openhood.engines.tables.shapes import BOOL, BYTES, DATE, DATETIME, LIST, NUMBER, STRUCT, TEXT, TIME

ITEM = "item"
"""A result, or an argument, of the kind of the list's items."""


@dataclass(frozen=True, slots=True)
class Function:
    """``sql`` has ``{}`` for the operand and ``{0}``, ``{1}`` for the arguments, whose kinds are ``takes``.

    The last ``optional`` arguments may be left out (``{…}`` then falls away with its comma).
    """

    sql: str
    gives: str
    takes: tuple[str, ...] = ()
    optional: int = 0


_F = Function
_TEXTS: Mapping[str, Function] = {
    **dict.fromkeys(("len", "length", "strlen", "char_length"), _F("length", NUMBER)),
    **dict.fromkeys(("lower", "lcase"), _F("lower", TEXT)),
    **dict.fromkeys(("upper", "ucase"), _F("upper", TEXT)),
    **{name: _F(name, TEXT, (TEXT,), 1) for name in ("trim", "ltrim", "rtrim")},
    "reverse": _F("reverse", TEXT),
    "replace": _F("replace", TEXT, (TEXT, TEXT)),
    "contains": _F("contains", BOOL, (TEXT,)),
    **dict.fromkeys(("starts_with", "prefix"), _F("starts_with", BOOL, (TEXT,))),
    **dict.fromkeys(("ends_with", "suffix"), _F("suffix", BOOL, (TEXT,))),
    **dict.fromkeys(("substr", "substring"), _F("substring", TEXT, (NUMBER, NUMBER), 1)),
    "left": _F("left", TEXT, (NUMBER,)),
    "right": _F("right", TEXT, (NUMBER,)),
    "regexp_matches": _F("regexp_matches", BOOL, (TEXT,)),
    "regexp_full_match": _F("regexp_full_match", BOOL, (TEXT,)),
    "regexp_extract": _F("regexp_extract", TEXT, (TEXT, NUMBER), 1),
    **dict.fromkeys(("strpos", "instr", "position"), _F("strpos", NUMBER, (TEXT,))),
    "split_part": _F("split_part", TEXT, (TEXT, NUMBER)),
    "levenshtein": _F("levenshtein", NUMBER, (TEXT,)),
    "ascii": _F("ascii", NUMBER),
}
_NUMBERS: Mapping[str, Function] = {
    **{name: _F(name, NUMBER) for name in ("abs", "floor", "sign", "sqrt", "exp", "ln", "log2", "trunc")},
    **dict.fromkeys(("log", "log10"), _F("log10", NUMBER)),
    **dict.fromkeys(("ceil", "ceiling"), _F("ceil", NUMBER)),
    "round": _F("round", NUMBER, (NUMBER,), 1),
    "mod": _F("mod", NUMBER, (NUMBER,)),
    **{name: _F(name, BOOL) for name in ("isnan", "isinf", "isfinite")},
}
_LISTS: Mapping[str, Function] = {
    **dict.fromkeys(("len", "length", "array_length"), _F("len", NUMBER)),
    **dict.fromkeys(
        ("contains", "has", "list_contains", "list_has", "array_contains", "array_has"),
        _F("list_contains", BOOL, (ITEM,)),
    ),
    **dict.fromkeys(
        ("list_position", "list_indexof", "array_position"), _F("list_position", NUMBER, (ITEM,))
    ),
    **dict.fromkeys(("list_extract", "list_element", "array_extract"), _F("list_extract", ITEM, (NUMBER,))),
    **{name: _F(name, ITEM) for name in ("list_min", "list_max", "list_first", "list_last")},
    **{name: _F(name, NUMBER) for name in ("list_sum", "list_avg", "list_unique", "list_count")},
    **dict.fromkeys(("array_to_string", "list_to_string"), _F("array_to_string", TEXT, (TEXT,))),
}
_DATES: Mapping[str, Function] = {
    **{
        name: _F(name, NUMBER)
        for name in ("year", "month", "day", "quarter", "week", "dayofweek", "isodow", "dayofyear", "epoch")
    },
    "strftime": _F("strftime", TEXT, (TEXT,)),
}
_TIMES: Mapping[str, Function] = {name: _F(name, NUMBER) for name in ("hour", "minute", "second")}

FUNCTIONS: Mapping[str, Mapping[str, Function]] = {
    TEXT: _TEXTS,
    NUMBER: _NUMBERS,
    BOOL: {},
    LIST: _LISTS,
    DATETIME: {**_DATES, **_TIMES},
    DATE: _DATES,
    TIME: _TIMES,
    BYTES: {name: _F("octet_length", NUMBER) for name in ("len", "length", "octet_length")},
    STRUCT: {},
}
"""By the kind of the operand."""
