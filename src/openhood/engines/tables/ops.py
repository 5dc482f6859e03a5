"""Every operation a worker knows, in one table: its name, and the function that does it.

A function takes a `Task` and returns a `Reply`; its parameters and facts are JSON and are described where it stands.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

from openhood.base.errors import TableUnreadable
from openhood.engines.tables.task import Reply, Task

Op = Callable[[Task], Reply]

_PACKAGE = "openhood.engines.tables."

OPS: Mapping[str, str] = {
    "echo": "echo:echo",
    "footers": "footers:footers",
    "declared": "footers:declared",
    "zip_names": "footers:zip_names",
    "filter": "filtering:filter_rows",
    "statistics": "statistics:statistics",
    "page": "pages:page",
    "first_rows": "pages:first_rows",
    "head_rows": "pages:head_rows",
    "recut": "pages:recut",
    "asset": "assets:asset",
    "thumbnail": "assets:thumbnail",
    "file_thumbnail": "assets:file_thumbnail",
    "head": "heads:head",
    "infer": "heads:infer",
    "convert": "convert:convert",
    "search": "looking:search",
    "index_text": "looking:index_text",
    "sql": "console:sql",
    "edit": "editing:edit",
    "diff_rows": "differing:diff_rows",
}


def find_op(name: str) -> Op:
    """Return the function of an operation. Raises TableUnreadable for a name that is not in the table."""
    place = OPS.get(name)
    if place is None:
        raise TableUnreadable(f"This hub has no operation {name!r} on tables.")
    module, _, function = place.partition(":")
    found: Op = getattr(importlib.import_module(_PACKAGE + module), function)
    return found


def preload() -> None:
    """Load every library and operation, so that workers that are forked have them already."""
    for place in OPS.values():
        importlib.import_module(_PACKAGE + place.partition(":")[0])
