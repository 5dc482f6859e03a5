"""What a statement of the SQL console may be: one SELECT over the views of the datasets, and nothing else.

DuckDB parses the statement and gives its tree as JSON; names of tables and table functions are looked up in lists of
what is allowed. The engine refuses files, settings and extensions a second time by itself (`duck.connect`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import duckdb
import orjson

from openhood.base.errors import SqlRefused

MAX_SQL_CHARS = 50_000
_MAX_NODES = 20_000
# What a query may select from besides views: they make rows out of values, and see nothing of the machine.
_TABLE_FUNCTIONS = frozenset(
    ("range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree")
)
_HIDDEN_FUNCTIONS = re.compile(
    r"(?:duckdb|pragma|read|parquet|sqlite|pg|write|getenv|current_setting|getvariable|query|glob|arrow|in_search_path)"
    r"(?:_|$)|current_(?:database|catalog|schemas?|query)$|txid_current$|system$"
)
_CTE_NAME = re.compile(r"[^\W\d]\w{0,99}")
_BUILT_IN = re.compile(r"(?:duckdb|pragma|sqlite|pg|information_schema)(?:_|$)", re.IGNORECASE)


def check_statement(
    con: duckdb.DuckDBPyConnection, sql: str, *, views: Collection[tuple[str, str]], known: Sequence[str]
) -> None:
    """Raise SqlRefused unless ``sql`` is one SELECT over ``views``, pairs of schema and name.

    The views of the schema ``main`` may be named without it. ``known`` are names to tell people of.
    """
    if len(sql) > MAX_SQL_CHARS:
        raise SqlRefused(f"A statement may have {MAX_SQL_CHARS} characters at most.")
    if "\0" in sql:
        raise SqlRefused("A statement holds no NUL characters.")
    _one_select(con, sql)
    tree = _tree(con, sql)
    nodes = list(_nodes(tree))
    own = {name for node in nodes for name in _cte_names(node)}
    for name in own:
        if _CTE_NAME.fullmatch(name) is None or _BUILT_IN.match(name):
            raise SqlRefused(
                f"The name '{name[:60]}' cannot be given to a part of the query. Choose another."
            )
    for node in nodes:
        _check(node, views=views, own=own, known=known)


def _one_select(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    try:
        found = con.extract_statements(sql)
    except duckdb.Error as error:
        raise SqlRefused(_first_lines(error)) from None
    if len(found) != 1:
        raise SqlRefused(
            "Write exactly one statement."
            if found
            else "Write a statement, such as: SELECT * FROM train LIMIT 10"
        )
    kind = found[0].type.name
    if kind == "MULTI":
        raise SqlRefused("Write PIVOT inside a query with the values named: … PIVOT (… FOR column IN (…)).")
    if kind != "SELECT":
        raise SqlRefused(
            f"Only SELECT (also WITH, FROM, DESCRIBE, SUMMARIZE) can be run here, not {kind}: data is changed by commits."
        )


def _tree(con: duckdb.DuckDBPyConnection, sql: str) -> Any:  # Any: JSON of the parser's own shape
    try:
        # All are fetched: a result that may have more rows keeps others from the connection.
        found = con.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    except duckdb.Error as error:
        raise SqlRefused(_first_lines(error)) from None
    tree = orjson.loads(found[0][0]) if found else {"error": True}
    if tree.get("error"):
        raise SqlRefused(str(tree.get("error_message", "This statement cannot be understood."))[:500])
    return tree


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting, seen = [tree], 0
    while waiting:
        node = waiting.pop()
        seen += 1
        if seen > 50 * _MAX_NODES:
            raise SqlRefused("This statement is too long to be checked.")
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _cte_names(node: dict[str, Any]) -> Iterator[str]:
    known = node.get("cte_map")
    if isinstance(known, dict):
        for entry in known.get("map", ()):
            yield str(entry.get("key", ""))
    if node.get("type") in ("RECURSIVE_CTE_NODE", "CTE_NODE"):
        yield str(node.get("cte_name", ""))


def _check(
    node: dict[str, Any], *, views: Collection[tuple[str, str]], own: Collection[str], known: Sequence[str]
) -> None:
    kind = node.get("type")
    if kind == "BASE_TABLE":
        schema, name = str(node.get("schema_name") or ""), str(node.get("table_name") or "")
        _check_table(str(node.get("catalog_name") or ""), schema, name, views=views, own=own, known=known)
    elif kind == "TABLE_FUNCTION":
        name = str((node.get("function") or {}).get("function_name", "")).lower()
        if name not in _TABLE_FUNCTIONS:
            raise SqlRefused(
                f"The table function '{name[:60]}' cannot be used here: a query sees the views of its datasets only."
            )
    elif kind == "SHOW_REF":
        name = str(node.get("table_name") or "").strip('"')
        if name in ("tables", "databases", "variables", "__show_tables_expanded"):
            raise SqlRefused("The views that can be queried are listed beside the editor.")
    elif node.get("class") == "FUNCTION":
        name = str(node.get("function_name", "")).lower()
        if _HIDDEN_FUNCTIONS.match(name):
            raise SqlRefused(
                f"The function '{name[:60]}' cannot be used here: it tells about the machine, not about the data."
            )


def _check_table(
    catalog: str,
    schema: str,
    name: str,
    *,
    views: Collection[tuple[str, str]],
    own: Collection[str],
    known: Sequence[str],
) -> None:
    if not catalog and not schema and name in own:
        return
    wanted = ((schema or "main").lower(), name.lower())
    if not catalog and wanted in {(place.lower(), view.lower()) for place, view in views}:
        return
    full = ".".join(part for part in (catalog, schema, name) if part)
    raise SqlRefused(f"There is no view '{full[:100]}' here. There is: {', '.join(known[:12])}.")


def _first_lines(error: Exception) -> str:
    return "\n".join(str(error).splitlines()[:4])[:600]
