"""The language of ``where`` and ``orderby``: what people write becomes a tree, or an error that says where it is wrong.

It is the part of SQL that the original accepts, and a little more; `conditions` turns the tree into a query. Nothing
here knows a table.

========== ==========================================================================================
condition  ``a AND b``, ``a OR b``, ``NOT a``, ``(a)``, a comparison, or a column of true and false
comparison ``x = y`` (``== <> != < <= > >=``), ``x [NOT] LIKE | ILIKE | GLOB | SIMILAR TO 'pattern'``,
           ``x ~ 'regex'``, ``x !~ 'regex'``, ``x [NOT] IN (1, 2)``, ``x [NOT] BETWEEN y AND z``,
           ``x IS [NOT] NULL | TRUE | FALSE``
operand    ``"column"``, ``"struct"."field"``, a value, ``operand.function('value', 2)``, ``(operand)``
value      ``'text'`` (``''`` is a quote), a number, ``true``, ``false``, ``null``
order      ``operand [ASC | DESC] [NULLS FIRST | LAST]``, several with commas
========== ==========================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from openhood.base.errors import InvalidParameter

_T = TypeVar("_T")

MAX_CHARS = 10_000
MAX_DEPTH = 40
MAX_TOKENS = 4_000
MAX_ORDERS = 8
_MAX_CALLS = 4


@dataclass(frozen=True, slots=True)
class Column:
    """A column, or a field of a struct in one. ``at`` is the place in the text, from 0."""

    path: tuple[str, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Value:
    """A text, a number, a truth value, or null (None)."""

    value: str | int | float | bool | None
    at: int


@dataclass(frozen=True, slots=True)
class Apply:
    """A function applied to an operand."""

    name: str
    operand: Operand
    arguments: tuple[Value, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Compare:
    """``left operator right``; operator is one of ``= <> < <= > >=`` or a word of `MATCHES`."""

    operator: str
    left: Operand
    right: Operand
    at: int


@dataclass(frozen=True, slots=True)
class Among:
    """``operand IN (values)``."""

    operand: Operand
    values: tuple[Value, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Between:
    """``operand BETWEEN low AND high``."""

    operand: Operand
    low: Operand
    high: Operand
    at: int


@dataclass(frozen=True, slots=True)
class Is:
    """``operand IS value`` with null, true or false."""

    operand: Operand
    value: bool | None
    at: int


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a condition."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Both:
    """All (``is_and``) or any of several conditions."""

    is_and: bool
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """What rows are ordered by. ``nulls_first`` None: where the engine puts them, last."""

    operand: Operand
    is_descending: bool
    nulls_first: bool | None


Operand = Column | Value | Apply
Condition = Compare | Among | Between | Is | Not | Both | Operand
MATCHES = {
    "like": "LIKE",
    "ilike": "ILIKE",
    "glob": "GLOB",
    "similar": "SIMILAR TO",
    "~": "SIMILAR TO",
    "~~": "LIKE",
    "~~*": "ILIKE",
    "~~~": "GLOB",
}
_COMPARISONS = {"=": "=", "==": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_RESERVED = frozenset(
    [
        "and",
        "or",
        "not",
        "is",
        "in",
        "between",
        "like",
        "ilike",
        "glob",
        "similar",
        "to",
        "null",
        "true",
        "false",
        "asc",
        "desc",
        "nulls",
        "first",
        "last",
    ]
)
_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<name>"(?:[^"]|"")+")
      | (?P<text>'(?:[^']|'')*')
      | (?P<refused>;|--|/\*|\*/)
      | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<word>[A-Za-z_][A-Za-z_0-9]*)
      | (?P<sign>!~~\*|!~~~|!~~|~~~|~~\*|~~|!~|==|<>|!=|<=|>=|[=<>~(),.+-])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse_where(text: str) -> Condition | None:
    """Return the tree of a condition, None for an empty one. Raises InvalidParameter."""
    parser = _Parser("where", text)
    return parser.only(parser.condition)


def parse_orderby(text: str) -> tuple[Order, ...]:
    """Return what rows are ordered by, most important first. Raises InvalidParameter."""
    parser = _Parser("orderby", text)
    return parser.only(parser.orders) or ()


def refuse(parameter: str, at: int, why: str) -> InvalidParameter:
    """Return the error that says what is wrong and where; ``at`` is counted from 0."""
    return InvalidParameter(f"Parameter '{parameter}' has a mistake at character {at + 1}: {why}")


def _tokens(parameter: str, text: str) -> list[_Token]:
    if len(text) > MAX_CHARS:
        raise InvalidParameter(f"Parameter '{parameter}' is longer than {MAX_CHARS} characters.")
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise refuse(parameter, at, _unreadable(text, at))
        kind = str(match.lastgroup)
        if kind == "refused":
            raise refuse(parameter, at, f"{match[0]} is not allowed outside of texts and names.")
        if kind != "space":
            found.append(_Token(kind, match[0], at))
        at = match.end()
    if len(found) > MAX_TOKENS:
        raise InvalidParameter(f"Parameter '{parameter}' holds more than {MAX_TOKENS} words and signs.")
    return found


def _unreadable(text: str, at: int) -> str:
    if text[at] == '"':
        return "a column's name must not be empty and ends with another \"."
    if text[at] == "'":
        return "this text has no end: it ends with another ', and a ' inside is written ''."
    return f"{text[at]} cannot be understood here."


class _Parser:
    """Recursive descent over the tokens of one parameter."""

    def __init__(self, parameter: str, text: str) -> None:
        self._parameter = parameter
        self._end = len(text)
        self._tokens = _tokens(parameter, text)
        self._next = 0
        self._depth = 0

    def only(self, rule: Callable[[], _T]) -> _T | None:
        """Return what a rule makes of the whole text, None of an empty one."""
        if not self._tokens:
            return None
        made = rule()
        token = self._peek()
        if token is not None:
            raise self._refuse(
                token.at, f"{_shown(token)} was not expected here; conditions are joined by AND or OR."
            )
        return made

    def condition(self) -> Condition:
        """A condition of any kind."""
        return self._joined("or", lambda: self._joined("and", self._negation))

    def orders(self) -> tuple[Order, ...]:
        """Some operands with their directions."""
        found = [self._order()]
        while self._take_sign(","):
            found.append(self._order())
        if len(found) > MAX_ORDERS:
            raise self._refuse(0, f"rows are ordered by at most {MAX_ORDERS} things.")
        return tuple(found)

    def _order(self) -> Order:
        operand = self._operand()
        is_descending = self._take_word("desc") is not None
        if not is_descending:
            self._take_word("asc")
        nulls_first = None
        if self._take_word("nulls"):
            nulls_first = self._take_word("first") is not None
            if not nulls_first and not self._take_word("last"):
                raise self._expected("FIRST or LAST")
        return Order(operand, is_descending, nulls_first)

    def _joined(self, word: str, rule: Callable[[], Condition]) -> Condition:
        found = [rule()]
        while self._take_word(word):
            found.append(rule())
        return found[0] if len(found) == 1 else Both(word == "and", tuple(found))

    def _negation(self) -> Condition:
        count = 0
        while self._take_word("not"):
            count += 1
        made = self._comparison()
        return Not(made) if count % 2 else made

    def _comparison(self) -> Condition:
        left = self._grouped()
        if not isinstance(left, Column | Value | Apply):
            return left
        token = self._peek()
        if token is None:
            return left
        if token.kind == "sign" and token.text in _COMPARISONS:
            self._next += 1
            return Compare(_COMPARISONS[token.text], left, self._operand(), token.at)
        if self._take_word("is"):
            return self._is(left, token.at)
        is_not = self._take_word("not") is not None
        made = self._matching(left, token.at)
        if made is None:
            if is_not:
                raise self._expected("LIKE, ILIKE, GLOB, SIMILAR TO, IN or BETWEEN")
            return left
        return Not(made) if is_not else made

    def _matching(self, left: Operand, at: int) -> Condition | None:
        token = self._peek()
        if token is None:
            return None
        word = token.text.lower()
        if token.kind == "sign" and word.startswith("!~"):
            self._next += 1
            return Not(Compare(MATCHES[word[1:]], left, self._operand(), at))
        if word in MATCHES and token.kind in ("sign", "word"):
            self._next += 1
            if word == "similar" and not self._take_word("to"):
                raise self._expected("TO")
            return Compare(MATCHES[word], left, self._operand(), at)
        if self._take_word("in"):
            self._need_sign("(")
            return Among(left, self._values(), at)
        if self._take_word("between"):
            low = self._operand()
            if not self._take_word("and"):
                raise self._expected("AND")
            return Between(left, low, self._operand(), at)
        return None

    def _is(self, left: Operand, at: int) -> Condition:
        is_not = self._take_word("not") is not None
        for word, value in (("null", None), ("true", True), ("false", False)):
            if self._take_word(word):
                made = Is(left, value, at)
                return Not(made) if is_not else made
        raise self._expected("NULL, TRUE or FALSE")

    def _grouped(self) -> Condition:
        """A condition in parentheses, or an operand, which may have them too."""
        opening = self._take_sign("(")
        if opening is None:
            return self._operand()
        with _Deeper(self, opening.at):
            made = self.condition()
        self._need_sign(")")
        return self._calls(made) if isinstance(made, Column | Value | Apply) else made

    def _operand(self) -> Operand:
        opening = self._take_sign("(")
        if opening is not None:
            with _Deeper(self, opening.at):
                made = self._operand()
            self._need_sign(")")
            return self._calls(made)
        token = self._peek()
        if token is not None and token.kind == "name":
            return self._calls(self._column())
        return self._calls(self._value())

    def _column(self) -> Column:
        at = self._tokens[self._next].at
        path = [self._name()]
        while self._peeks(".", 0) and self._peek_kind(1) == "name":
            self._next += 1
            path.append(self._name())
        return Column(tuple(path), at)

    def _name(self) -> str:
        token = self._tokens[self._next]
        self._next += 1
        return token.text[1:-1].replace('""', '"')

    def _calls(self, operand: Operand) -> Operand:
        for _ in range(_MAX_CALLS):
            if not self._take_sign("."):
                return operand
            token = self._peek()
            if token is None or token.kind != "word":
                raise self._expected("the name of a function, or of a column in double quotes")
            self._next += 1
            self._need_sign("(")
            arguments = () if self._take_sign(")") else self._values()
            operand = Apply(token.text.lower(), operand, arguments, token.at)
        if self._peeks(".", 0):
            raise self._refuse(
                self._tokens[self._next].at, f"at most {_MAX_CALLS} functions may follow each other."
            )
        return operand

    def _values(self) -> tuple[Value, ...]:
        """Values up to the closing parenthesis."""
        found = [self._value()]
        while self._take_sign(","):
            found.append(self._value())
        self._need_sign(")")
        return tuple(found)

    def _value(self) -> Value:
        token = self._peek()
        if token is None:
            raise self._expected("a column or a value")
        sign = ""
        if token.kind == "sign" and token.text in "+-" and self._peek_kind(1) == "number":
            sign = token.text
            self._next += 1
            token = self._tokens[self._next]
        self._next += 1
        if token.kind == "number":
            return Value(_number(sign + token.text), token.at)
        if token.kind == "text":
            return Value(token.text[1:-1].replace("''", "'"), token.at)
        word = token.text.lower()
        if token.kind == "word" and word in ("true", "false", "null"):
            return Value({"true": True, "false": False, "null": None}[word], token.at)
        raise self._refuse(token.at, _misplaced(token))

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _peeks(self, sign: str, ahead: int) -> bool:
        at = self._next + ahead
        return at < len(self._tokens) and self._tokens[at].kind == "sign" and self._tokens[at].text == sign

    def _peek_kind(self, ahead: int) -> str | None:
        at = self._next + ahead
        return self._tokens[at].kind if at < len(self._tokens) else None

    def _take_sign(self, sign: str) -> _Token | None:
        if not self._peeks(sign, 0):
            return None
        self._next += 1
        return self._tokens[self._next - 1]

    def _take_word(self, word: str) -> _Token | None:
        token = self._peek()
        if token is None or token.kind != "word" or token.text.lower() != word:
            return None
        self._next += 1
        return token

    def _need_sign(self, sign: str) -> None:
        if not self._take_sign(sign):
            raise self._expected(sign)

    def _expected(self, what: str) -> InvalidParameter:
        token = self._peek()
        if token is None:
            return self._refuse(self._end, f"{what} is missing at the end.")
        return self._refuse(token.at, f"{what} was expected here, not {_shown(token)}.")

    def _refuse(self, at: int, why: str) -> InvalidParameter:
        return refuse(self._parameter, at, why)

    def deepen(self, by: int, at: int) -> None:
        """Count parentheses. Raises InvalidParameter for too many in each other."""
        self._depth += by
        if self._depth > MAX_DEPTH:
            raise self._refuse(at, f"at most {MAX_DEPTH} parentheses may stand in each other.")


class _Deeper:
    """Counts one pair of parentheses while it is open."""

    def __init__(self, parser: _Parser, at: int) -> None:
        self._parser = parser
        self._at = at

    def __enter__(self) -> None:
        self._parser.deepen(1, self._at)

    def __exit__(self, *_raised: object) -> None:
        self._parser.deepen(-1, self._at)


def _number(text: str) -> int | float:
    if re.fullmatch(r"[+-]?[0-9]+", text) and len(text) <= 38:
        return int(text)
    return float(text)


def _shown(token: _Token) -> str:
    return token.text if len(token.text) <= 40 else token.text[:39] + "…"


def _misplaced(token: _Token) -> str:
    shown = _shown(token)
    if token.kind == "word" and token.text.lower() not in _RESERVED:
        return f"{shown} is neither a column, which is written in double quotes, nor a text in single quotes."
    return f"a column or a value was expected here, not {shown}."
