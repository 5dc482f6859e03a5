"""Trees of conditions and orders as SQL: names are those of the file, values are bound, nothing of a text is copied.

Kinds are checked before the engine sees anything, so that a mistake is told in words of the asker's own text.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from openhood.base.errors import InvalidParameter
from openhood.engines.tables.duck import quote_name
from openhood.engines.tables.functions import FUNCTIONS, ITEM, Function
from openhood.engines.tables.grammar import (
    MATCHES,
    Among,
    Apply,
    Between,
    Both,
    Column,
    Compare,
    Condition,
    Is,
    Not,
    Operand,
    Order,
    Value,
    refuse,
)
from openhood.engines.tables.shapes import (
    BOOL,
    BYTES,
    DATE,
    DATETIME,
    LIST,
    NUMBER,
    OTHER,
    STRUCT,
    TEXT,
    TIME,
    Shape,
)

TABLE = "t"
"""What the query must call the table, so that a column cannot be taken for it."""
Bound = str | int | float | bool
_NOTHING = Shape(OTHER, "NULL")
_KINDS = {
    NUMBER: "numbers",
    TEXT: "text",
    BOOL: "true and false",
    DATETIME: "dates with times",
    DATE: "dates",
    TIME: "times",
    BYTES: "bytes",
    LIST: "lists",
    STRUCT: "structs",
    OTHER: "values of another kind",
}
_ORDERED = (NUMBER, TEXT, BOOL, DATETIME, DATE, TIME)
_PLAIN_WORD = re.compile(r"%([A-Za-z0-9 ]{3,})%", re.ASCII)
_MAX_REGEX_CHARS = 1000


@dataclass(frozen=True, slots=True)
class Compiled:
    """``sql`` holds a placeholder for each of ``values``; ``columns`` are the top-level ones that it reads."""

    sql: str
    values: tuple[Bound, ...]
    columns: frozenset[str]


@dataclass(frozen=True, slots=True)
class Ordering:
    """``keys`` are expressions, ``directions`` what stands after each; for the rest see `Compiled`."""

    keys: tuple[str, ...]
    directions: tuple[str, ...]
    values: tuple[Bound, ...]
    columns: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Part:
    sql: str
    shape: Shape
    value: Value | None = None


def compile_where(tree: Condition, shapes: Mapping[str, Shape]) -> Compiled:
    """Return a condition as SQL. Raises InvalidParameter for columns, functions and kinds that do not fit."""
    compiler = _Compiler("where", shapes)
    return compiler.made(compiler.condition(tree))


def compile_orderby(orders: Sequence[Order], shapes: Mapping[str, Shape]) -> Ordering:
    """Return what rows are ordered by as SQL. Raises InvalidParameter."""
    compiler = _Compiler("orderby", shapes)
    keys = tuple(compiler.key(each) for each in orders)
    made = compiler.made("")
    return Ordering(keys, tuple(_direction(each) for each in orders), made.values, made.columns)


@dataclass(slots=True)
class _Compiler:
    parameter: str
    shapes: Mapping[str, Shape]
    values: list[Bound] = field(default_factory=list)
    columns: set[str] = field(default_factory=set)

    def made(self, sql: str) -> Compiled:
        return Compiled(sql, tuple(self.values), frozenset(self.columns))

    def key(self, order: Order) -> str:
        if isinstance(order.operand, Value):
            raise self._refuse(order.operand.at, "rows are ordered by a column, written in double quotes.")
        return self._operand(order.operand).sql

    def condition(self, tree: Condition) -> str:
        match tree:
            case Both(is_and, conditions):
                word = " AND " if is_and else " OR "
                return "(" + word.join([self.condition(each) for each in conditions]) + ")"
            case Not(condition):
                return f"(NOT {self.condition(condition)})"
            case Compare():
                return self._compare(tree)
            case Among(operand, values, at):
                left = self._compared(operand, at)
                return f"({left.sql} IN ({', '.join([self._fitted(each, left.shape) for each in values])}))"
            case Between(operand, low, high, at):
                left = self._compared(operand, at)
                return (
                    f"({left.sql} BETWEEN {self._right(low, left.shape)} AND {self._right(high, left.shape)})"
                )
            case Is(operand, value, at):
                part = self._operand(operand)
                if value is None:
                    return f"({part.sql} IS NULL)"
                self._need(part.shape, (BOOL,), at)
                return f"({part.sql} IS {'TRUE' if value else 'FALSE'})"
            case Value(value, at):
                if not isinstance(value, bool):
                    raise self._refuse(at, "a value alone is no condition: compare it with a column.")
                return "TRUE" if value else "FALSE"
            case _:
                part = self._operand(tree)
                self._need(part.shape, (BOOL,), tree.at)
                return f"({part.sql})"

    def _compare(self, tree: Compare) -> str:
        left_tree, right_tree, operator = tree.left, tree.right, tree.operator
        if isinstance(left_tree, Value) and not isinstance(right_tree, Value):
            if operator in MATCHES.values():
                raise self._refuse(left_tree.at, f"a column stands before {operator}, the pattern after it.")
            # Seen from the other side.
            left_tree, right_tree = right_tree, left_tree
            operator = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(operator, operator)
        if isinstance(left_tree, Value):
            raise self._refuse(left_tree.at, "two values are compared: name a column in double quotes.")
        if operator in MATCHES.values():
            return self._match(left_tree, operator, right_tree, tree.at)
        left = self._compared(left_tree, tree.at)
        return f"({left.sql} {operator} {self._right(right_tree, left.shape)})"

    def _match(self, left_tree: Operand, operator: str, pattern: Operand, at: int) -> str:
        left = self._operand(left_tree)
        self._need(left.shape, (TEXT,), at)
        if not isinstance(pattern, Value) or not isinstance(pattern.value, str):
            raise self._refuse(pattern.at, f"{operator} needs a pattern in single quotes.")
        plain = _PLAIN_WORD.fullmatch(pattern.value) if operator == "ILIKE" else None
        if plain is not None:
            # The same, found twice as fast.
            return f"regexp_matches({left.sql}, {self._bind(plain[1])}, 'i')"
        if operator == "SIMILAR TO":
            self._check_regex(pattern)
            return f"regexp_full_match({left.sql}, {self._bind(pattern.value)})"
        return f"({left.sql} {operator} {self._bind(pattern.value)})"

    def _operand(self, tree: Operand) -> _Part:
        match tree:
            case Column():
                return self._column(tree)
            case Apply():
                return self._apply(tree)
            case Value(value):
                if value is None:
                    return _Part("NULL", _NOTHING, tree)
                kind = BOOL if isinstance(value, bool) else TEXT if isinstance(value, str) else NUMBER
                return _Part(self._bind(value), Shape(kind, kind), tree)

    def _column(self, tree: Column) -> _Part:
        name = self._known(tree.path[0], self.shapes, tree.at, "column")
        shape = self.shapes[name]
        self.columns.add(name)
        sql = f"{TABLE}.{quote_name(shape.name)}"
        for step in tree.path[1:]:
            if shape.kind != STRUCT:
                raise self._refuse(
                    tree.at, f'it holds {_KINDS[shape.kind]}, which have no field "{_short(step)}".'
                )
            field_name = self._known(step, shape.fields, tree.at, "field")
            shape = shape.fields[field_name]
            sql += f".{quote_name(field_name)}"
        if shape.kind == TEXT and shape.sql != "VARCHAR":
            sql = f"CAST({sql} AS VARCHAR)"
        return _Part(sql, shape)

    def _known(self, name: str, known: Mapping[str, object], at: int, what: str) -> str:
        if name in known:
            return name
        alike = [each for each in known if each.lower() == name.lower()]
        if len(alike) == 1:
            return alike[0]
        near = get_close_matches(name, list(known)[:2000], 1) or list(known)[:1]
        hint = f' Did you mean "{_short(near[0])}"?' if near else ""
        raise self._refuse(at, f'there is no {what} "{_short(name)}".{hint}')

    def _apply(self, tree: Apply) -> _Part:
        part = self._operand(tree.operand)
        if part.value is not None:
            raise self._refuse(tree.at, "functions are applied to columns.")
        known = FUNCTIONS.get(part.shape.kind, {})
        function = known.get(tree.name)
        if function is None:
            names = ", ".join(sorted(known))
            raise self._refuse(
                tree.at,
                f"{_short(tree.name)}() is no function for {_KINDS[part.shape.kind]}; known are: {names}.",
            )
        least = len(function.takes) - function.optional
        if not least <= len(tree.arguments) <= len(function.takes):
            count = str(least) if not function.optional else f"{least} to {len(function.takes)}"
            raise self._refuse(tree.at, f"{tree.name}() takes {count} values.")
        item = part.shape.item
        arguments = [
            self._argument(value, kind, item)
            for value, kind in zip(tree.arguments, function.takes, strict=False)
        ]
        if function.sql.startswith("regexp"):
            self._check_regex(tree.arguments[0])
        return _Part(
            f"{function.sql}({', '.join([part.sql, *arguments])})", self._gives(function, item, tree.at)
        )

    def _argument(self, value: Value, kind: str, item: Shape | None) -> str:
        if kind == ITEM and item is not None:
            self._need(item, _ORDERED, value.at)
            return self._fitted(value, item)
        if kind == NUMBER:
            if not isinstance(value.value, int) or isinstance(value.value, bool) or abs(value.value) > 2**31:
                raise self._refuse(value.at, "a whole number was expected here.")
            return f"CAST({self._bind(value.value)} AS BIGINT)"
        if not isinstance(value.value, str):
            raise self._refuse(value.at, "a text in single quotes was expected here.")
        return self._bind(value.value)

    def _gives(self, function: Function, item: Shape | None, at: int) -> Shape:
        if function.sql in ("list_sum", "list_avg") and item is not None:
            self._need(item, (NUMBER,), at)
        if function.gives == ITEM:
            return item or _NOTHING
        return Shape(function.gives, "VARCHAR" if function.gives == TEXT else function.gives)

    def _compared(self, tree: Operand, at: int) -> _Part:
        part = self._operand(tree)
        self._need(part.shape, (*_ORDERED, BYTES), at)
        return part

    def _right(self, tree: Operand, shape: Shape) -> str:
        if isinstance(tree, Value):
            return self._fitted(tree, shape)
        part = self._compared(tree, tree.at)
        times = (DATETIME, DATE)
        if part.shape.kind != shape.kind and not (part.shape.kind in times and shape.kind in times):
            raise self._refuse(
                tree.at, f"{_KINDS[shape.kind]} cannot be compared with {_KINDS[part.shape.kind]}."
            )
        return part.sql

    def _fitted(self, literal: Value, shape: Shape) -> str:
        """Return a value as one of a kind, bound. Raises InvalidParameter where it is none."""
        value = literal.value
        if value is None:
            return "NULL"
        match shape.kind:
            case "number":
                return self._bind(self._as_number(literal, shape))
            case "bool":
                return "TRUE" if self._as_truth(literal) else "FALSE"
            case "text" if isinstance(value, str):
                return self._bind(value)
            case "bytes" if isinstance(value, str):
                return f"encode({self._bind(value)})"
            case "datetime" | "date" | "time" if isinstance(value, str):
                return self._as_moment(literal, value, shape)
        written = f"{value}".lower() if isinstance(value, bool) else f"{value}"
        raise self._refuse(
            literal.at, f"this column holds {_KINDS[shape.kind]}: write '{_short(written)}' in single quotes."
        )

    def _as_number(self, literal: Value, shape: Shape) -> int | float:
        value = literal.value
        if isinstance(value, str):
            if value in shape.labels:
                return shape.labels.index(value)
            try:
                value = int(value) if re.fullmatch(r"\s*[+-]?[0-9]{1,38}\s*", value) else float(value)
            except ValueError:
                known = f" Its labels are: {_short(', '.join(shape.labels), 300)}." if shape.labels else ""
                raise self._refuse(
                    literal.at, f"this column holds numbers, '{_short(str(value))}' is none.{known}"
                ) from None
        return int(value) if isinstance(value, bool) else (value or 0)

    def _as_truth(self, literal: Value) -> bool:
        value = literal.value
        if isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)):
            return bool(value)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise self._refuse(literal.at, "this column holds true and false.")

    def _as_moment(self, literal: Value, value: str, shape: Shape) -> str:
        readers = {
            DATETIME: datetime.datetime.fromisoformat,
            DATE: datetime.datetime.fromisoformat,
            TIME: datetime.time.fromisoformat,
        }
        try:
            readers[shape.kind](value.strip())
        except ValueError:
            example = {DATETIME: "2024-05-31 17:45:00", DATE: "2024-05-31", TIME: "17:45:00"}[shape.kind]
            raise self._refuse(
                literal.at, f"this column holds {_KINDS[shape.kind]}, written as '{example}'."
            ) from None
        is_zoned = shape.kind == DATETIME and "TIME ZONE" in shape.sql.upper()
        kind = {DATETIME: "TIMESTAMPTZ" if is_zoned else "TIMESTAMP", DATE: "TIMESTAMP", TIME: "TIME"}[
            shape.kind
        ]
        return f"CAST({self._bind(value.strip())} AS {kind})"

    def _check_regex(self, pattern: Value) -> None:
        if isinstance(pattern.value, str) and len(pattern.value) > _MAX_REGEX_CHARS:
            raise self._refuse(pattern.at, f"a regular expression has at most {_MAX_REGEX_CHARS} characters.")

    def _need(self, shape: Shape, kinds: Sequence[str], at: int) -> None:
        if shape.kind in kinds or shape is _NOTHING:
            return
        hint = {
            LIST: " Ask for their .len(), or what they hold with .contains(…).",
            STRUCT: f" Ask for a field: {', '.join(quote_name(_short(name)) for name in list(shape.fields)[:5])}.",
        }.get(shape.kind, "")
        wanted = f"{_KINDS[kinds[0]]} were expected" if len(kinds) == 1 else "they cannot be compared"
        raise self._refuse(at, f"these are {_KINDS[shape.kind]}; {wanted}.{hint}")

    def _bind(self, value: Bound) -> str:
        self.values.append(value)
        return "?"

    def _refuse(self, at: int, why: str) -> InvalidParameter:
        return refuse(self.parameter, at, why)


def _direction(order: Order) -> str:
    return ("DESC" if order.is_descending else "ASC") + (
        " NULLS FIRST" if order.nulls_first else " NULLS LAST"
    )


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
