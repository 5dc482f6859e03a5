"""The dataset viewer next to polars and DuckDB called directly on the same files.

What is measured at the hub is the whole answer over HTTP, rights and JSON included; at the peers the same rows as JSON.
The peers run in this process with everything loaded; the better of the two counts.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import duckdb
import orjson
import polars as pl
import pyarrow as pa

from bench import tablecontent
from bench.faraway import Delay
from bench.plan import Plan, seconds
from bench.report import Line, take_turns
from bench.site import OWNER, Site
from bench.tablecontent import common_word, rare_word
from openhood.testing.swift import start_swift

FIRST_WARM_MS, FIRST_COLD_MS = 15.0, 150.0
PAGE_RATIO, QUERY_RATIO = 1.5, 1.3
DELAY_S = 0.020
_PAGE = 100
_WARM = f"{OWNER}/small"
_WHERE_HUB = '"score" > 90 AND "category" = \'red\''
_WHERE_SQL = "score > 90 AND category = 'red'"


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure."""
    small = directory / "small.csv"
    small.write_text("n\n1\n")
    Table(site, "small", [small])
    made = tablecontent.table(plan.table_rows)
    layouts = {
        "row groups of 50,000": (4, 50_000),
        f"one row group of {plan.table_rows:,}": (1, plan.table_rows),
    }
    for label, (files, group_rows) in layouts.items():
        place = directory / f"files-{files}"
        place.mkdir()
        paths = tablecontent.write_parquet(made, place, files=files, group_rows=group_rows)
        table = Table(site, place.name, paths)
        yield from _pages(table, plan, label, made.num_rows)
        yield from _queries(table, plan, label)
    yield from _statistics(site, plan, directory)
    yield from _other_formats(site, plan, directory, made.slice(0, plan.text_rows))
    yield from _far_away(site, plan, directory, made)


class Table:
    """A dataset of one split on the hub, and its files for the peers."""

    def __init__(self, site: Site, name: str, paths: Sequence[Path]) -> None:
        self.site = site
        self.paths = [str(path) for path in paths]
        self.repo = f"{OWNER}/{name}"
        site.call_json("POST", "/api/repos/create", {"name": name, "type": "dataset"})
        if paths:
            _upload(site, self.repo, paths)

    def ask(self, endpoint: str, **params: object) -> Any:  # Any: parsed JSON
        """Ask the viewer."""
        query = urlencode({"config": "default", "split": "train", **params})
        return json.loads(self.site.call("GET", f"/api/datasets/{self.repo}/viewer/{endpoint}?{query}"))

    def time(self, endpoint: str, **params: object) -> float:
        """Ask the viewer and return the milliseconds that it took, the parsing of the answer not counted."""
        query = urlencode({"config": "default", "split": "train", **params})
        path = f"/api/datasets/{self.repo}/viewer/{endpoint}?{query}"
        return 1000 * seconds(lambda: self.site.get_again(path))

    def from_files(self) -> str:
        """Return what DuckDB reads them from."""
        return f"read_parquet({self.paths!r})"


def _pages(table: Table, plan: Plan, label: str, rows: int) -> Iterator[Line]:
    warm = Line(f"first rows, {label}, warm", "ms", goal=FIRST_WARM_MS, goal_is_of_ratio=False)
    table.ask("first-rows")
    yield take_turns(warm, plan.rounds, hub=lambda _round: table.time("first-rows"))
    cold = Line(f"first rows, {label}, after a restart", "ms", goal=FIRST_COLD_MS, goal_is_of_ratio=False)

    def measure_cold(_round: int) -> float:
        table.site.restart()
        settle(table.site)
        return table.time("first-rows")

    yield take_turns(cold, plan.rounds, hub=measure_cold)
    chance = random.Random(label)
    offsets = [chance.randrange(rows - _PAGE) for _round in range(plan.rounds * 8 + 1)]
    yield best_of(
        f"random page of {_PAGE} rows, {label}",
        len(offsets) - 1,
        PAGE_RATIO,
        hub=lambda number: table.time("rows", offset=offsets[number]),
        peers={
            "polars": lambda number: polars_page(table, offsets[number]),
            "duckdb": lambda number: duckdb_page(table, offsets[number]),
        },
    )


def _queries(table: Table, plan: Plan, label: str) -> Iterator[Line]:
    source = table.from_files()
    ordered = {"where": _WHERE_HUB, "orderby": '"score" DESC'}
    select = f"SELECT * FROM {source} WHERE {_WHERE_SQL} ORDER BY score DESC LIMIT {_PAGE}"
    count = f"SELECT count(*) FROM {source} WHERE {_WHERE_SQL}"
    condition = (pl.col("score") > 90) & (pl.col("category") == "red")
    lazy = pl.scan_parquet(table.paths)
    yield best_of(
        f"filter with order and count, {label}",
        plan.rounds,
        QUERY_RATIO,
        # A condition of its own each time: no answer may come from what is kept.
        hub=lambda number: table.time("filter", **{**ordered, "where": f'{_WHERE_HUB} AND "id" >= {number}'}),
        peers={
            "polars": lambda _number: _ms(
                lambda: (
                    _as_json(
                        lazy.filter(condition).sort("score", descending=True).head(_PAGE).collect().to_dicts()
                    ),
                    lazy.filter(condition).select(pl.len()).collect(),
                )
            ),
            "duckdb": lambda _number: _ms(lambda: (_as_json(_sql(select)), _sql(count))),
        },
    )
    for name, word in (("rare", rare_word), ("common", common_word)):
        yield best_of(
            f"search for a {name} word, {label}",
            plan.rounds,
            QUERY_RATIO,
            hub=lambda number, word=word: table.time("search", query=word(number)),
            peers={
                "polars": lambda number, word=word: _ms(lambda: _polars_search(lazy, word(number))),
                "duckdb": lambda number, word=word: _ms(lambda: _duckdb_search(source, word(number))),
            },
        )


def _polars_search(lazy: pl.LazyFrame, word: str) -> object:
    hits = lazy.with_row_index("row").filter(pl.col("text").str.contains(rf"\b{word}\b"))
    return _as_json(hits.head(_PAGE).collect().to_dicts()), hits.select(pl.len()).collect()


def _duckdb_search(source: str, word: str) -> object:
    found = f"FROM {source} WHERE regexp_matches(text, '\\b{word}\\b')"
    return _as_json(_sql(f"SELECT * {found} LIMIT {_PAGE}")), _sql(f"SELECT count(*) {found}")


def _statistics(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Statistics are kept, so that each round has a table of its own."""
    tables = []
    for number in range(min(3, plan.rounds) + 1):
        place = directory / f"statistics-{number}"
        place.mkdir()
        made = tablecontent.table(plan.table_rows, seed=number + 1)
        tables.append(
            Table(site, place.name, tablecontent.write_parquet(made, place, files=4, group_rows=50_000))
        )
        tables[-1].ask("first-rows")
    yield best_of(
        f"statistics of 10 columns, {plan.table_rows:,} rows",
        len(tables) - 1,
        QUERY_RATIO,
        hub=lambda number: tables[number].time("statistics"),
        peers={
            "duckdb": lambda number: _ms(lambda: _duckdb_statistics(tables[number])),
            "polars": lambda number: _ms(lambda: _polars_statistics(tables[number])),
        },
    )


def _other_formats(site: Site, plan: Plan, directory: Path, made: pa.Table) -> Iterator[Line]:
    for name, write in (("CSV", tablecontent.write_csv), ("JSONL", tablecontent.write_jsonl)):
        path = write(made, directory / f"train.{name.lower()}")
        label = f"{made.num_rows:,} rows of {name}"
        table = Table(site, name.lower(), [path])
        first = Line(
            f"first rows right after the upload, {label}", "ms", goal=FIRST_COLD_MS, goal_is_of_ratio=False
        )
        yield take_turns(first, 1, hub=lambda _round, table=table: table.time("first-rows"))
        warm = Line(f"first rows, {label}, warm", "ms", goal=FIRST_WARM_MS, goal_is_of_ratio=False)
        yield take_turns(warm, plan.rounds, hub=lambda _round, table=table: table.time("first-rows"))
        whole = Line(f"first page beyond the head, {label}", "ms")
        yield take_turns(
            whole, 1, hub=lambda _round, table=table: table.time("rows", offset=made.num_rows - _PAGE)
        )


def _far_away(site: Site, plan: Plan, directory: Path, made: pa.Table) -> Iterator[Line]:
    """The same where the bytes are in an S3 store whose every answer takes 20 ms longer."""
    service = start_swift(directory / "swift")
    address = urlsplit(service.endpoint)
    delay = Delay(str(address.hostname), int(address.port or 80), delay_s=DELAY_S)
    try:
        url = (
            service.make_bucket()
            .replace(f"%3A{address.port}", f"%3A{delay.port}")
            .replace(f":{address.port}", f":{delay.port}")
        )
        site.restart({"OPENHOOD_OBJECTS_URL": url, "OPENHOOD_XET_CONVERT": "false"})
        # Contents that the hub does not have yet: what it has is where it was before.
        made = made.slice(1)
        for files in (4, 1):
            place = directory / f"far-{files}"
            place.mkdir()
            group_rows = 50_000 if files > 1 else made.num_rows
            paths = tablecontent.write_parquet(made, place, files=files, group_rows=group_rows)
            table = Table(site, f"far-{files}", paths)
            label = f"{'row groups of 50,000' if files > 1 else 'one giant row group'}, 20 ms away"
            cold = Line(
                f"first rows, {label}, nothing known", "ms", goal=FIRST_COLD_MS, goal_is_of_ratio=False
            )
            yield take_turns(cold, 1, hub=lambda _round, table=table: table.time("first-rows"))
            warm = Line(f"first rows, {label}, again", "ms", goal=FIRST_WARM_MS, goal_is_of_ratio=False)
            yield take_turns(warm, plan.rounds, hub=lambda _round, table=table: table.time("first-rows"))
            chance = random.Random(label)
            offsets = [chance.randrange(made.num_rows - _PAGE) for _round in range(plan.rounds * 2)]
            page = Line(f"random page, {label}, not read before", "ms")
            yield take_turns(
                page,
                len(offsets),
                hub=lambda number, table=table, offsets=offsets: table.time("rows", offset=offsets[number]),
            )
            for name, params in (
                ("filter", {"where": _WHERE_HUB, "orderby": '"score" DESC'}),
                ("search", {}),
                ("statistics", {}),
            ):
                line = Line(f"{name}, {label}, columns not read before, then again", "ms")
                yield take_turns(
                    line,
                    2,
                    hub=lambda number, name=name, params=params, table=table: table.time(
                        name, **({"query": rare_word(number)} if name == "search" else params)
                    ),
                )
    finally:
        site.restart({})
        delay.close()
        service.stop()


def best_of(
    label: str,
    rounds: int,
    goal: float,
    *,
    hub: Callable[[int], float],
    peers: dict[str, Callable[[int], float]],
) -> Line:
    """Measure the hub and all peers in turns; the line shows the peer whose median is lower.

    Rounds are numbered from 1: number 0 warms up, and what it asks the hub may keep. Each round has an order of its
    own, since whoever comes next finds the processor's caches full of what the one before left.
    """
    lines = {name: Line(label, "ms", goal=goal, peer_label=name) for name in peers}
    mine: list[float] = []
    hub(0)
    turns = [(mine, hub), *((lines[name].peer, measure) for name, measure in peers.items())]
    chance = random.Random(label)
    for number in range(1, rounds + 1):
        for taken, measure in chance.sample(turns, len(turns)):
            taken.append(measure(number))
    best = min(lines.values(), key=lambda line: sorted(line.peer)[len(line.peer) // 2])
    best.hub = mine
    return best


def _ms(work: Callable[[], object]) -> float:
    return 1000 * seconds(work)


def _as_json(rows: object) -> bytes:
    """Return rows as JSON, of bytes no more than their number: nobody sends images in JSON."""
    return orjson.dumps(rows, default=lambda value: len(value) if isinstance(value, bytes) else str(value))


def _sql(query: str) -> list[dict[str, Any]]:
    relation = duckdb.sql(query)
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def polars_page(table: Table, offset: int) -> float:
    """Return the milliseconds that Polars takes for a page."""
    return _ms(lambda: _as_json(pl.scan_parquet(table.paths).slice(offset, _PAGE).collect().to_dicts()))


def duckdb_page(table: Table, offset: int) -> float:
    """Return the milliseconds that DuckDB takes for a page."""
    return _ms(lambda: _as_json(_sql(f"SELECT * FROM {table.from_files()} LIMIT {_PAGE} OFFSET {offset}")))


_NUMBERS = ("id", "group", "year", "score", "weight")
_LENGTHS = {"text": "length(text)", "numbers": "len(numbers)", "tags": "len(tags)"}


def _duckdb_statistics(table: Table) -> object:
    """The same figures: count, extremes, mean, median, deviation, ten bins; frequencies of the two others."""
    values = {**{name: f'"{name}"' for name in _NUMBERS}, **_LENGTHS}
    parts = [
        f"count({value}), min({value}), max({value}), avg({value}), median({value}), stddev({value})"
        for value in values.values()
    ]
    source = table.from_files()
    row = duckdb.sql(f"SELECT {', '.join(parts)} FROM {source}").fetchall()[0]
    bins = []
    for at, value in enumerate(values.values()):
        low, high = float(row[6 * at + 1]), float(row[6 * at + 2])
        step = (high - low) / 10 or 1
        bins.append(f"histogram(least(9, floor(({value} - {low}) / {step})))")
    bins += ["histogram(category)", "histogram(is_good)", "approx_count_distinct(text)"]
    return row, duckdb.sql(f"SELECT {', '.join(bins)} FROM {source}").fetchall()


def _polars_statistics(table: Table) -> object:
    lazy = pl.scan_parquet(table.paths)
    values = {name: pl.col(name) for name in _NUMBERS}
    values |= {
        "text": pl.col("text").str.len_chars(),
        "numbers": pl.col("numbers").list.len(),
        "tags": pl.col("tags").list.len(),
    }
    made = []
    for name, value in values.items():
        for what in ("count", "min", "max", "mean", "median", "std"):
            made.append(getattr(value, what)().alias(f"{name} {what}"))
        made.append(value.cast(pl.Float64).hist(bin_count=10).implode().alias(f"{name} bins"))
    made += [
        pl.col(name).value_counts().implode().alias(f"{name} values") for name in ("category", "is_good")
    ]
    return lazy.select(made).collect()


def _upload(site: Site, repo: str, paths: Sequence[Path]) -> None:
    """Bring files into a dataset as large files, in one commit."""
    lines: list[object] = [{"key": "header", "value": {"summary": "Add data"}}]
    for path in paths:
        data = path.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        target = urlsplit(site.plan_upload(f"datasets/{repo}", sha256, len(data)))
        site.call("PUT", f"{target.path}?{target.query}", data)
        said = {"path": f"data/{path.name}", "algo": "sha256", "oid": sha256, "size": len(data)}
        lines.append({"key": "lfsFile", "value": said})
    body = "\n".join(json.dumps(line) for line in lines).encode()
    site.call("POST", f"/api/datasets/{repo}/commit/main", body, {"Content-Type": "application/x-ndjson"})


def settle(site: Site) -> None:
    """Wait until the hub's workers have their libraries: whoever looks at a dataset is seldom the first."""
    site.call("GET", f"/api/datasets/{_WARM}/viewer/first-rows?config=default&split=train")
