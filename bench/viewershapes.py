"""The dataset viewer on other shapes of data: deep lists, a thousand columns, media, thousands of files.

Each shape is uploaded in one commit and looked at right away, then often, then after a restart of the hub. A plain table
of a million rows, and queries, are measured in `viewer`.
"""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import shapecontent
from bench.plan import Plan
from bench.report import Line, take_turns
from bench.site import OWNER, Site
from bench.viewer import (
    FIRST_COLD_MS,
    FIRST_WARM_MS,
    PAGE_RATIO,
    Table,
    best_of,
    duckdb_page,
    polars_page,
    settle,
)

MEMORY_MIB = 400.0
_PAGE = 100
_WARM_ROUNDS = 4
"""Times as many rounds as of what takes a restart."""


@dataclass(frozen=True)
class Shape:
    """A kind of data: what it is called, how many rows it has, and how a dataset of it is made."""

    label: str
    rows: int
    make: Callable[[Site, Path], Table]
    is_parquet: bool = False


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure."""
    small = directory / "small.csv"
    small.write_text("n\n1\n")
    Table(site, "small", [small])
    settle(site)
    for number, shape in enumerate(shapes(plan)):
        place = directory / f"shape-{number}"
        place.mkdir()
        yield from _measure(site, plan, shape, place)


def shapes(plan: Plan) -> Iterator[Shape]:
    """Return all shapes in the sizes of a plan."""
    deep, wide, media, files = plan.text_rows, plan.shape_rows, plan.shape_rows, plan.shape_files
    columns = plan.shape_columns

    def parquet(write: Callable[[Path], list[Path]]) -> Callable[[Site, Path], Table]:
        return lambda site, place: Table(site, place.name, write(place))

    def folder(content: Callable[[int], Iterable[tuple[str, bytes]]], count: int) -> Callable[..., Table]:
        return lambda site, place: _small_files(site, place.name, content(count))

    yield Shape(
        f"{deep:,} rows of nested lists",
        deep,
        parquet(lambda at: shapecontent.write_table(shapecontent.nested(deep), at, group_rows=50_000)),
        is_parquet=True,
    )
    yield Shape(
        f"{wide:,} rows of {columns:,} columns",
        wide,
        parquet(lambda at: shapecontent.write_table(shapecontent.wide(wide, columns), at, group_rows=5_000)),
        is_parquet=True,
    )
    yield Shape(
        f"{media:,} images in Parquet",
        media,
        parquet(lambda at: shapecontent.write_images(at, media, files=4, group_rows=1_000)),
        is_parquet=True,
    )
    yield Shape(
        f"{media:,} images in a folder, with metadata",
        media,
        folder(shapecontent.described_images, media),
    )
    yield Shape(f"{media:,} images in folders by label", media, folder(shapecontent.labelled_images, media))
    yield Shape(f"{media:,} sounds in folders by label", media, folder(shapecontent.labelled_sounds, media))
    yield Shape(
        f"{media:,} images in tars (webdataset)",
        media,
        parquet(lambda at: shapecontent.write_tars(at, media, files=4)),
    )
    yield Shape(
        f"{files:,} CSV files",
        files * shapecontent.CSV_ROWS,
        folder(shapecontent.csv_files, files),
    )


def _measure(site: Site, plan: Plan, shape: Shape, place: Path) -> Iterator[Line]:
    table = shape.make(site, place)
    label = shape.label
    site.forget_peak()

    def first(when: str, goal: float) -> Line:
        return Line(f"first rows, {label}, {when}", "ms", goal=goal, goal_is_of_ratio=False)

    def look(_round: int) -> float:
        return table.time("first-rows")

    def restart(_round: int) -> float:
        site.restart()
        settle(site)
        return table.time("first-rows")

    yield take_turns(first("right after the upload", FIRST_COLD_MS), 1, hub=look)
    yield take_turns(first("warm", FIRST_WARM_MS), plan.rounds * _WARM_ROUNDS, hub=look)
    _wait_for_all(table, shape)
    yield _pages(table, plan, shape)
    peaks = [site.own_peak_mib()]
    yield take_turns(first("after a restart", FIRST_COLD_MS), plan.rounds, hub=restart)
    peaks.append(site.own_peak_mib())
    memory = Line(f"most memory of the web process, {label}", "MiB", goal=MEMORY_MIB, goal_is_of_ratio=False)
    memory.hub = [max(peaks)]
    yield memory


def _pages(table: Table, plan: Plan, shape: Shape) -> Line:
    chance = random.Random(shape.label)
    offsets = [chance.randrange(shape.rows - _PAGE) for _round in range(plan.rounds * _WARM_ROUNDS + 1)]
    label = f"random page of {_PAGE} rows, {shape.label}"

    def hub(number: int) -> float:
        return table.time("rows", offset=offsets[number])

    if not shape.is_parquet:
        # What reads these files itself reads all of them up to the page, which is no measure for anybody.
        hub(0)
        return take_turns(Line(label, "ms"), len(offsets) - 1, hub=lambda number: hub(number + 1))
    return best_of(
        label,
        len(offsets) - 1,
        PAGE_RATIO,
        hub=hub,
        peers={
            "polars": lambda number: polars_page(table, offsets[number]),
            "duckdb": lambda number: duckdb_page(table, offsets[number]),
        },
    )


def _wait_for_all(table: Table, shape: Shape) -> None:
    """Wait until the last page can be read: what is no Parquet is brought into that form meanwhile."""
    while True:
        try:
            table.ask("rows", offset=shape.rows - 1, length=1)
        except RuntimeError as error:
            if "Ask again in a moment" not in str(error):
                raise
            time.sleep(0.5)
        else:
            return


def _small_files(site: Site, name: str, files: Iterable[tuple[str, bytes]]) -> Table:
    """Bring small files into a dataset, in one commit."""
    table = Table(site, name, [])
    lines = [json.dumps({"key": "header", "value": {"summary": "Add data"}})]
    for path, data in files:
        said = {"path": path, "content": base64.b64encode(data).decode(), "encoding": "base64"}
        lines.append(json.dumps({"key": "file", "value": said}))
    site.call(
        "POST",
        f"/api/datasets/{OWNER}/{name}/commit/main",
        "\n".join(lines).encode(),
        {"Content-Type": "application/x-ndjson"},
    )
    return table
