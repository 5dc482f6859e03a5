"""How long pages take: browsing with and without filters, a large tree, a repository and a long discussion.

Every page is asked for in turn with a style sheet of the same server, which is read from memory: what the server stack
costs before any work.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from bench import discovery_cases, gitpeer
from bench.discovery import Asker, Filled, postgres_hub, sqlite_hub
from bench.discovery_cases import Facts
from bench.million import DAY_MS, LARGE, TOKEN, Shape
from bench.plan import Plan
from bench.report import Line, take_turns
from bench.site import TOKEN as OWNER_TOKEN
from bench.site import Site
from openhood.http.pages.static import address_of
from openhood.infra.db.engine import Database

GOAL_MS = 50.0
_MEMBER = {"Authorization": f"Bearer {TOKEN}"}
_OWNER = {"Authorization": f"Bearer {OWNER_TOKEN}"}
_STATIC = address_of("base.css")
_WORDINGS = 4
_CARD = """---
license: apache-2.0
pipeline_tag: text-generation
library_name: transformers
tags: [bench, {tags}]
---
# A model

A fine-tuned language model with **words**, `code`, a [link](https://example.org) and $e^{{i\\pi}} + 1 = 0$.

""".format(tags=", ".join(f"tag-{number}" for number in range(30)))
_PARAGRAPH = "## Part {number}\n\nSome text with *emphasis* and a list:\n\n- one\n- two\n\n```python\nprint({number})\n```\n\n| a | b |\n|---|---|\n| {number} | 2 |\n\n"


@dataclass(frozen=True)
class Asked:
    """A page in one or more wordings that should all be equally fast."""

    label: str
    paths: tuple[str, ...]


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure."""
    yield from _repository(site, plan, directory)
    shape = Shape(plan.page_repos, now_ms=int(time.time() * 1000) // DAY_MS * DAY_MS, hidden=0.08)
    if plan.filled_postgres is None:
        with sqlite_hub(shape, directory, kept=plan.kept) as filled:
            yield from _browse(filled, plan)
    else:
        with postgres_hub(shape, directory, url=plan.filled_postgres) as filled:
            yield from _browse(filled, plan)


# --- many repositories --------------------------------------------------------------------------


def _browse(filled: Filled, plan: Plan) -> Iterator[Line]:
    db = Database(filled.url, pool_size=1)
    try:
        with db.read() as tx:
            facts = discovery_cases.look(tx)
            count = discovery_cases.count_repos(tx)
    finally:
        db.close()
    with filled.serve() as server:
        asker = Asker(server)
        for viewer, headers in (("nobody", {}), ("member", _MEMBER)):
            for asked in _lists(facts):
                label = f"{filled.name}, {count:,}, {viewer}: {asked.label}"
                yield _measure(asker, label, asked.paths, headers, plan.asked)
        asker.close()
        print(f"  load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)


def _lists(facts: Facts) -> Iterator[Asked]:
    def models(**query: str | Sequence[str]) -> str:
        return f"/models?{urlencode(query, doseq=True)}" if query else "/models"

    yield Asked("home", ("/",))
    yield Asked("models", (models(),))
    yield Asked("datasets", ("/datasets",))
    for sort in ("downloads", "lastModified"):
        yield Asked(f"models, sort={sort}", (models(sort=sort),))
    yield Asked(
        "models by task", tuple(models(pipeline_tag=name) for name in ("text-generation", "graph-ml"))
    )
    yield Asked("models by 1 frequent tag", tuple(models(other=name) for name in facts.heads[:_WORDINGS]))
    yield Asked("models by 1 tag of 1 %", tuple(models(other=name) for name in facts.middling[:_WORDINGS]))
    yield Asked("models by 1 rare tag", tuple(models(other=name) for name in facts.rare[:_WORDINGS]))
    pairs = zip(facts.heads[:_WORDINGS], facts.middling, strict=False)
    yield Asked("models by a frequent tag and one of 1 %", tuple(models(other=pair) for pair in pairs))
    yield Asked("models of an author with 1 in 50", (models(author=LARGE),))
    yield Asked("models by a substring", tuple(models(search=term) for term in ("bert", "falcon", "w1a2b")))
    yield Asked("models by parameters", (models(num_parameters="min:6B,max:8B"),))
    yield Asked(
        "search", tuple(f"/search?q={quote(term)}" for term in ("bert", "satellite", "language model"))
    )
    yield Asked("a profile of an organization with 1 in 50", (f"/{LARGE}",))
    yield Asked("a profile", tuple(f"/{name}" for name in facts.small_owners))


# --- one repository -----------------------------------------------------------------------------


def _repository(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    repo = site.create("pages")
    source = gitpeer.make_bare(directory / "pages.git")
    card = _CARD + "".join(_PARAGRAPH.format(number=number) for number in range(40))
    files = [("README.md", card.encode())]
    files += [(f"file-{each:05}.txt", gitpeer.text(each, 200)) for each in range(plan.page_files)]
    gitpeer.git("fast-import", "--quiet", cwd=source, stdin=gitpeer.import_stream(files, parent=None))
    gitpeer.git("push", "--quiet", "--force", site.git_url(repo), "main", cwd=source)
    talk = site.call_json(
        "POST", f"/api/models/{repo}/discussions", {"title": "A talk", "description": "Some **words**."}
    )["num"]
    for number in range(plan.comments - 1):
        said = {"comment": f"{number}: some **words** with `code`, @bench and a list:\n\n- one\n- two\n"}
        site.call_json("POST", f"/api/models/{repo}/discussions/{talk}/comment", said)
    tree = json.loads(site.call("GET", f"/api/models/{repo}/tree/main?limit=500"))
    asker = Asker(site)
    size = f"{plan.page_files:,} files"
    for label, path in (
        (f"a repository of {size}", f"/{repo}"),
        (f"its tree of {size}, first page", f"/{repo}/tree/main"),
        (f"its tree of {size}, a page in the middle", _second_page(asker, f"/{repo}/tree/main")),
        ("a file", f"/{repo}/blob/main/{tree[-1]['path']}"),
        ("its card as a file", f"/{repo}/blob/main/README.md"),
        ("its commits", f"/{repo}/commits/main"),
        ("its discussions", f"/{repo}/discussions"),
        (f"a discussion of {plan.comments:,} comments", f"/{repo}/discussions/{talk}"),
        ("its picture for other sites", f"/-/posters/models/{repo}.png"),
        ("settings", "/settings/account"),
    ):
        yield _measure(asker, label, (path,), _OWNER, plan.asked)
    asker.close()


def _second_page(asker: Asker, path: str) -> str:
    text = asker.ask(path, _OWNER)[2].decode()
    return path + "?cursor=" + text.partition("?cursor=")[2].partition('"')[0].replace("&amp;", "&")


def _measure(asker: Asker, label: str, paths: Sequence[str], headers: Mapping[str, str], asked: int) -> Line:
    for path in paths:
        asker.ask(path, headers)  # what is kept between requests is there from now on
    line = Line(label, "ms", goal=GOAL_MS, goal_is_of_ratio=False, peer_label="a style sheet")
    return take_turns(line, asked, hub=_page(asker, paths, headers), peer=_page(asker, (_STATIC,), headers))


def _page(asker: Asker, paths: Sequence[str], headers: Mapping[str, str]) -> Callable[[int], float]:
    def measure(number: int) -> float:
        path = paths[number % len(paths)]
        taken_ms, status, body, _link = asker.ask(path, headers)
        if status != 200 or not body:
            raise RuntimeError(f"GET {path}: {status}")
        return taken_ms

    return measure
