"""The language of ``where`` and ``orderby``: what is understood, what is refused, and that nothing gets past it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openhood.base.errors import InvalidParameter
from openhood.engines.tables.conditions import Compiled, Ordering, compile_orderby, compile_where
from openhood.engines.tables.grammar import MAX_DEPTH, parse_orderby, parse_where
from openhood.engines.tables.shapes import Shape, shapes_of

FEATURES = {"label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
ROWS = """
    SELECT * FROM (VALUES
        (0, 35, 1.5, 'Marie', 'it''s a; b', true, [1, 2], ['red', 'blue'], {'name': 'x', 'deep': {'n': 1}}, 0,
         TIMESTAMP '2024-01-01 10:00:00', DATE '2024-01-01', 'aa'::BLOB),
        (1, 30, -2.5, 'Paul', 'two', false, [3], ['green'], {'name': 'y', 'deep': {'n': 2}}, 1,
         TIMESTAMP '2024-02-01 11:00:00', DATE '2024-02-01', 'bb'::BLOB),
        (2, 25, NULL, 'Leo', NULL, true, [], [], {'name': 'z', 'deep': {'n': 3}}, -1,
         TIMESTAMP '2024-03-01 12:00:00', DATE '2024-03-01', NULL),
        (3, 30, 'nan'::DOUBLE, 'Simone', 'four', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
    ) AS r(id, age, score, name, "odd ""name", flag, numbers, tags, info, label, "at", "day", data)
"""


@pytest.fixture(scope="module")
def table() -> Any:
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE people AS {ROWS}")
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def shapes(table: Any) -> dict[str, Shape]:
    names = table.sql("SELECT * FROM people").columns
    return shapes_of(table, "people", names, FEATURES)


def _where(text: str, shapes: dict[str, Shape]) -> Compiled | None:
    tree = parse_where(text)
    return None if tree is None else compile_where(tree, shapes)


def _orderby(text: str, shapes: dict[str, Shape]) -> Ordering:
    return compile_orderby(parse_orderby(text), shapes)


def _ids(table: Any, shapes: dict[str, Shape], where: str, orderby: str = "") -> list[int]:
    tree, orders = parse_where(where), parse_orderby(orderby)
    sql, values = "SELECT id FROM people AS t", []
    if tree is not None:
        made = compile_where(tree, shapes)
        sql += f" WHERE {made.sql}"
        values += made.values
    keys = []
    if orders:
        order = compile_orderby(orders, shapes)
        keys = [f"{key} {direction}" for key, direction in zip(order.keys, order.directions, strict=True)]
        values += order.values
    sql += f" ORDER BY {', '.join([*keys, 'id'])}"
    return [row[0] for row in table.execute(sql, values).fetchall()]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("", [0, 1, 2, 3]),
        ('"age"=30', [1, 3]),
        ('"age" == 30', [1, 3]),
        ('"age"<30', [2]),
        ('"age">=30', [0, 1, 3]),
        ('"age" != 30', [0, 2]),
        ('"age" <> 30', [0, 2]),
        ('30 < "age"', [0]),
        ('"score" > -3', [0, 1, 3]),
        ('"score" = -2.5', [1]),
        ('"score" < 1e1', [0, 1]),
        ("\"name\"='Marie'", [0]),
        ("\"name\"<'M'", [2]),
        ('"age"=30 AND "name"=\'Paul\'', [1]),
        ('"age">30 and ("name" = \'Marie\' or "flag"=false)', [0]),
        ('"age">30 OR "name" = \'Leo\'', [0, 2]),
        ('NOT "age" = 30 AND NOT ("name" = \'Leo\')', [0]),
        ("\"odd \"\"name\" = 'it''s a; b'", [0]),
        ("(\"name\" LIKE '%e')", [0, 3]),
        ("\"name\" not like '%e'", [1, 2]),
        ("\"name\" ilike 'm%'", [0]),
        ("\"name\" ilike '%ARI%'", [0]),
        ("\"name\" glob 'S*'", [3]),
        ("\"name\" similar to '(Paul|Leo)'", [1, 2]),
        ("\"name\" ~ 'L.*'", [2]),
        ("\"name\" !~ 'L.*'", [0, 1, 3]),
        ("\"name\" ~~ 'P%'", [1]),
        ('"score" is null', [2]),
        ('"score" is not null', [0, 1, 3]),
        ('"score" IS NOT NULL AND "flag" IS TRUE', [0]),
        ('"flag" is not true', [1, 3]),
        ('"flag"=true', [0, 2]),
        ('"flag"=1', [0, 2]),
        ('"flag" and "age" < 30', [2]),
        ("\"name\" in ('Leo', 'Paul', 'nobody')", [1, 2]),
        ('"age" not in (30, 25)', [0]),
        ('"age" between 26 and 30', [1, 3]),
        ('"age" not between 26 and 30 and "id" < 9', [0, 2]),
        ('"age" = null', []),
        ('"info"."name" = \'y\'', [1]),
        ('"info"."deep"."n" > 1', [1, 2]),
        ('("info"."name").upper() = \'Z\'', [2]),
        ("\"name\".upper() = 'LEO'", [2]),
        ("\"name\".replace('a', 'A') = 'PAul'", [1]),
        ('"name".lower().len() > 4', [0, 3]),
        ('"name".len() > 4', [0, 3]),
        ("\"name\".contains('i')", [0, 3]),
        ("\"name\".contains('i') = true", [0, 3]),
        ("\"name\".substr(2, 1) = 'a'", [0, 1]),
        ("\"name\".regexp_matches('^[LP]')", [1, 2]),
        ('"numbers".len() > 1', [0]),
        ('"numbers".contains(3)', [1]),
        ("\"tags\".list_contains('red')", [0]),
        ("\"tags\".list_extract(1) = 'green'", [1]),
        ('"numbers".list_max() >= 2', [0, 1]),
        ('"numbers" is null', [3]),
        ("\"label\" = 'dog'", [1]),
        ('"label" = 0', [0]),
        ("\"age\" = '30'", [1, 3]),
        ("\"at\" > '2024-01-31'", [1, 2]),
        ("\"day\" <= '2024-02-01'", [0, 1]),
        ('"at".year() = 2024 and "at".month() > 2', [2]),
        ("\"data\" = 'bb'", [1]),
        ('"AGE" = 35', [0]),
        ('"id" < "age"', [0, 1, 2, 3]),
        ('"score".isnan()', [3]),
        ('"age".mod(2) = 1', [0, 2]),
    ],
)
def test_conditions(table: Any, shapes: dict[str, Shape], where: str, expected: list[int]) -> None:
    assert _ids(table, shapes, where) == expected


@pytest.mark.parametrize(
    ("orderby", "expected"),
    [
        ("", [0, 1, 2, 3]),
        ('"age"', [2, 1, 3, 0]),
        ('"age" DESC', [0, 1, 3, 2]),
        ('"age" asc, "name" desc', [2, 3, 1, 0]),
        ('"score"', [1, 0, 3, 2]),
        ('"score" nulls first', [2, 1, 0, 3]),
        ('"name".len() desc', [3, 0, 1, 2]),
        ('"info"."deep"."n" desc', [2, 1, 0, 3]),
        ('("name")', [2, 0, 1, 3]),
        ('"numbers".len() desc nulls last', [0, 1, 2, 3]),
    ],
)
def test_orders(table: Any, shapes: dict[str, Shape], orderby: str, expected: list[int]) -> None:
    assert _ids(table, shapes, "", orderby) == expected


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ('"nobody" = 3', 'character 1: there is no column "nobody"'),
        ("\"nam\" = 'a'", 'Did you mean "name"?'),
        ('"name" = 30', "write '30' in single quotes"),
        ("\"age\" = 'many'", "'many' is none"),
        ("\"label\" = 'cow'", "Its labels are: cat, dog"),
        ('"name', "character 1: a column's name must not be empty"),
        ('"name" = \'open', "character 10: this text has no end"),
        ("name = 'x'", "name is neither a column"),
        ('"name" = Marie', "character 10: Marie is neither a column"),
        ('"age" >', "a column or a value is missing at the end"),
        ('"age" = 3 "name"', "joined by AND or OR"),
        ('("age" = 3', ") is missing at the end"),
        ('"age" = 3)', "character 10"),
        ('"numbers" = 3', ".len()"),
        ('"info" = 3', 'Ask for a field: "name", "deep"'),
        ('"name"."x" = 3', 'no field "x"'),
        ('"info"."nothing" = 3', 'no field "nothing"'),
        ("\"age\".upper() = 'A'", "upper() is no function for numbers"),
        ("\"name\".getenv('HOME') = 'x'", "getenv() is no function for text"),
        ('"name".len(3) > 2', "takes 0 values"),
        ("\"name\".substr('a') = 'b'", "a whole number was expected"),
        ("\"age\" like '3%'", "text were expected"),
        ('"age" not = 3', "LIKE, ILIKE"),
        ("\"at\" > 'soon'", "2024-05-31 17:45:00"),
        ('"flag" = 2', "true and false"),
        ("'a' = 'a'", "name a column"),
        ('"name" is 3', "NULL, TRUE or FALSE"),
        ("3", "compare it with a column"),
        ('"name"', "were expected"),
        ('"id" < "name"', "cannot be compared"),
        ("\"age\" similar 'x'", "TO was expected"),
        ('""=3', "must not be empty"),
        ('"age" = @', "@ cannot be understood"),
    ],
)
def test_mistakes_are_told(shapes: dict[str, Shape], where: str, message: str) -> None:
    with pytest.raises(InvalidParameter) as raised:
        _where(where, shapes)
    assert message in raised.value.message


@pytest.mark.parametrize(
    "orderby", ["age", '"age" sideways', '"age",', '"age" nulls', "3", '"age" = 3', '"a"."b"("c")']
)
def test_orders_that_are_none(shapes: dict[str, Shape], orderby: str) -> None:
    with pytest.raises(InvalidParameter):
        _orderby(orderby, shapes)


INJECTIONS = (
    '"age"=3; DROP TABLE rows',
    '"age"=3; SELECT * FROM rows',
    '"age"=3 -- rest',
    '"age"=3 /* x */',
    '"age"=3 */',
    '"age"=3 UNION SELECT 1',
    "\"age\"=(SELECT count(*) FROM read_text('/etc/passwd'))",
    '"age" in (SELECT 1)',
    "getenv('FOO') = 'bar'",
    "\"getenv\"('FOO') = 'bar'",
    '"name" = version()',
    '"name" = "version"()',
    "read_csv('/etc/passwd') = 'x'",
    "\"name\".read_text() = 'x'",
    "\"name\".query('SELECT 1') = 'x'",
    '"name".repeat(1000000000).len() > 1',
    '"age" = 1 LIMIT 1',
    '"age" = 1 GROUP BY 1',
    '"age" = $1',
    '"age" = ?',
    '"age" = 3::VARCHAR',
    "\"age\" = CAST('1' AS INT)",
    "E'\\' OR 1=1'",
    '"age" = 0x41',
    '"name" = $$x$$',
    "\"name\" = 'a' || 'b'",
    '"people"."age" = 3',
    '"t"."age" = 3',
    "COLUMNS('.*') = 3",
    "* = 3",
    '"age" = 3 OR EXISTS (SELECT 1)',
    "\"name\" LIKE 'a' ESCAPE 'b'",
    '"age" = 3\x00',
    '"age" = ٣',
)


@pytest.mark.parametrize("attempt", INJECTIONS)
@pytest.mark.parametrize("make", [_where, _orderby])
def test_injections_are_refused(shapes: dict[str, Shape], attempt: str, make: Any) -> None:
    with pytest.raises(InvalidParameter):
        make(attempt, shapes)


def test_signs_that_end_statements_are_free_inside_of_texts(table: Any, shapes: dict[str, Shape]) -> None:
    assert _ids(table, shapes, '"odd ""name" like \'%; b\'') == [0]
    assert _ids(table, shapes, "\"name\" = '''; DROP TABLE rows; --'") == []


def test_depth_and_length_are_bounded(shapes: dict[str, Shape]) -> None:
    fine = "(" * (MAX_DEPTH - 1) + '"age" = 3' + ")" * (MAX_DEPTH - 1)
    assert parse_where(fine) is not None
    for text in (
        "(" * 1000 + '"age" = 3' + ")" * 1000,
        '"age" = 3 ' * 2000,
        "(" * 5000,
    ):
        with pytest.raises(InvalidParameter):
            parse_where(text)
    many = parse_where(" and ".join(['"age" = 3'] * 500))
    assert many is not None
    assert compile_where(many, shapes).sql.count("?") == 500


_SQL = re.compile(
    r"""(?:t\.(?:"id"|"age"|"score"|"name"|"odd\ ""name"|"flag"|"numbers"|"tags"|"info"|"label"|"at"|"day"|"data")
        (?:\."name"|\."deep"|\."n")*
      | \b(?:AND|OR|NOT|IN|BETWEEN|IS|NULL|TRUE|FALSE|LIKE|ILIKE|GLOB|CAST|AS|BIGINT|VARCHAR|TIMESTAMP|TIMESTAMPTZ
        |TIME|encode|regexp_matches|regexp_full_match|regexp_extract|length|lower|upper|trim|ltrim|rtrim|reverse
        |replace|contains|starts_with|suffix|substring|left|right|strpos|split_part|levenshtein|ascii|abs|floor|sign
        |sqrt|exp|ln|log2|log10|trunc|ceil|round|mod|isnan|isinf|isfinite|len|list_\w+|array_to_string|year|month|day
        |quarter|week|dayofweek|isodow|dayofyear|epoch|strftime|hour|minute|second|octet_length)\b
      | '\ ?i'|[?(),\s=<>])*""",
    re.VERBOSE,
)

_names = st.sampled_from(
    [
        '"id"',
        '"age"',
        '"name"',
        '"odd ""name"',
        '"flag"',
        '"numbers"',
        '"tags"',
        '"info"."name"',
        '"at"',
        '"nobody"',
    ]
)
_texts = st.text(max_size=12).map(lambda text: "'" + text.replace("'", "''") + "'")
_pieces = st.one_of(
    _names,
    _texts,
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(
        [
            "(",
            ")",
            "and",
            "or",
            "not",
            "in",
            "between",
            "is",
            "null",
            "true",
            "false",
            "like",
            "ilike",
            "glob",
            "similar",
            "to",
            "=",
            "<>",
            "!=",
            "<",
            "<=",
            ">",
            ">=",
            ",",
            ".",
            ";",
            "--",
            "/*",
            "*/",
            "+",
            "-",
            ".len()",
            ".upper()",
            ".contains('x')",
            ".list_max()",
            "asc",
            "desc",
            "nulls",
            "first",
            "last",
            "union",
            "select",
            "~",
            "!~",
            "~~*",
            "?",
            "$1",
            "::",
        ]
    ),
    st.text(max_size=4),
)


def _is_harmless(sql: str, values: Sequence[object]) -> bool:
    return _SQL.fullmatch(sql) is not None and sql.count("?") == len(values)


@settings(max_examples=600, deadline=None)
@given(st.lists(_pieces, max_size=14).map(" ".join))
def test_whatever_is_written_never_reaches_the_engine_as_sql(
    table: Any, shapes: dict[str, Shape], text: str
) -> None:
    with suppress(InvalidParameter):
        made = _where(text, shapes)
        if made is not None:
            assert _is_harmless(made.sql, made.values), made.sql
            _run(table, made.sql, made.values)
    with suppress(InvalidParameter):
        order = _orderby(text, shapes)
        assert _is_harmless(", ".join(order.keys), order.values), order.keys


@settings(max_examples=400, deadline=None)
@given(_names, st.sampled_from(["=", "<>", "<", ">=", "like", "ilike", "in (", "between 1 and"]), _texts)
def test_texts_are_always_bound(
    table: Any, shapes: dict[str, Shape], name: str, operator: str, text: str
) -> None:
    where = f"{name} {operator} {text}" + (")" if operator.endswith("(") else "")
    with suppress(InvalidParameter):
        made = _where(where, shapes)
        assert made is not None
        assert _is_harmless(made.sql, made.values), made.sql
        _run(table, made.sql, made.values)


def _run(table: Any, sql: str, values: Sequence[object]) -> None:
    """A pattern that is none, or a number out of range, the engine may refuse: that is said to whoever asks."""
    with suppress(duckdb.InvalidInputException, duckdb.OutOfRangeException, duckdb.ConversionException):
        table.execute(f"SELECT count(*) FROM people AS t WHERE {sql}", list(values)).fetchall()
