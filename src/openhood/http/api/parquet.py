"""A dataset as Parquet files and as Croissant, below the dataset's own address as the Hub has them.

**Source**: ``GET /api/datasets/{id}/parquet…`` and ``/croissant`` of the Hub.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from openhood.base.errors import EntryNotFound, SplitNotFound
from openhood.domain.viewer import croissant, summaries
from openhood.domain.viewer.summaries import Question, Summary
from openhood.http.context import Call
from openhood.http.router import Route
from openhood.http.viewer.door import reply

_ROOT = "/api/datasets/{ns}/{name}"


async def list_parquet(call: Call) -> Response:
    """Answer the addresses of the Parquet files: by config and split, by split, or as a list."""
    config, split = call.params.get("config", ""), call.params.get("split", "")
    made = await call.act(summaries.parquet, _question(call, config))
    found = _addresses(call, made)
    document: object = found
    if config:
        document = found.get(config, {})
    if split:
        document = _of_split(found, config, split)
    return reply(call, made.commit, document, is_public=made.is_public, is_final=made.is_final)


async def get_parquet_file(call: Call) -> Response:
    """Redirect to one Parquet file of a split, by its number."""
    made = await call.act(summaries.parquet, _question(call, call.params["config"]))
    files = _of_split(_places(made), call.params["config"], call.params["split"])
    number = call.params["shard"]
    if not number.isascii() or not number.isdigit() or int(number) >= len(files):
        raise EntryNotFound(
            f"This split has {len(files)} Parquet files: ask for 0.parquet"
            + (f" up to {len(files) - 1}.parquet." if len(files) > 1 else ".")
        )
    # What a number stands for may change with the next commit.
    return RedirectResponse(files[int(number)], 302, {"Cache-Control": "no-store", "X-Revision": made.commit})


async def get_croissant(call: Call) -> Response:
    """Answer the dataset as a Croissant document (JSON-LD)."""
    made = await call.act(croissant.croissant, _question(call, ""))
    return reply(call, made.commit, made.document, is_public=made.is_public, is_final=made.is_final)


def _question(call: Call, config: str) -> Question:
    return Question(call.repo_id, call.query("revision") or "main", config, "", call.base_url)


def _places(made: Summary) -> dict[str, dict[str, list[str]]]:
    """Return where the files are: by config and split, in the order of their rows."""
    found: dict[str, dict[str, list[str]]] = {}
    for file in made.document["parquet_files"]:
        found.setdefault(file["config"], {}).setdefault(file["split"], []).append(file["url"])
    return found


def _addresses(call: Call, made: Summary) -> dict[str, dict[str, list[str]]]:
    """Return the addresses by number, which stay the same whatever becomes of the files."""
    site = f"{call.base_url}/api/datasets/{call.repo_id}/parquet"
    return {
        config: {
            split: [
                f"{site}/{_quoted(config)}/{_quoted(split)}/{number}.parquet" for number in range(len(files))
            ]
            for split, files in splits.items()
        }
        for config, splits in _places(made).items()
    }


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _of_split(found: dict[str, dict[str, list[str]]], config: str, split: str) -> list[str]:
    files = found.get(config, {}).get(split)
    if files is None:
        known = ", ".join(found.get(config, {})) or "none"
        raise SplitNotFound(f"The config '{config[:100]}' has no split '{split[:100]}'. It has: {known}.")
    return files


ROUTES: tuple[Route, ...] = (
    Route(("GET",), f"{_ROOT}/parquet", list_parquet, fixed={"type": "datasets"}),
    Route(("GET",), f"{_ROOT}/parquet/{{config}}", list_parquet, fixed={"type": "datasets"}),
    Route(("GET",), f"{_ROOT}/parquet/{{config}}/{{split}}", list_parquet, fixed={"type": "datasets"}),
    Route(
        ("GET",),
        f"{_ROOT}/parquet/{{config}}/{{split}}/{{shard}}.parquet",
        get_parquet_file,
        fixed={"type": "datasets"},
        bucket="resolvers",
    ),
    Route(("GET",), f"{_ROOT}/croissant", get_croissant, fixed={"type": "datasets"}),
)
