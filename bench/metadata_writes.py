"""What metadata costs a commit in a database of a million repositories, beside the same commit without.

On the disk as it is, with every unit made durable.
"""

from __future__ import annotations

import hashlib
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import delete, func, select

from bench.discovery_cases import unhidden
from bench.million import TOKEN
from bench.plan import Plan
from bench.report import Line
from bench.site import Site, commit_body
from openhood.app import open_services
from openhood.base.names import MAIN, Oid
from openhood.base.settings import Settings
from openhood.domain.access import SYSTEM
from openhood.domain.catalog import record
from openhood.domain.catalog.types import TipFacts
from openhood.domain.discovery import downloads
from openhood.domain.repos import refs, rows
from openhood.domain.repos.types import Consequences, RefUpdate, Repo
from openhood.infra.db.engine import Database
from openhood.infra.db.tables import jobs, repos

MORE_MS = 5.0
"""What a commit that changes metadata may take more than one that does not."""
DOWNLOADED = 1000
_WORDS = [
    "of",
    "a",
    "model",
    "that",
    "was",
    "trained",
    "anew",
    "on",
    "more",
    "data",
    "with",
    "other",
    "results",
    "for",
    "longer",
    "than",
    "before",
]


def in_units(db: Database, plan: Plan, name: str) -> Iterator[Line]:
    """Measure the unit that moves main, with and without what the new tip says; each is undone by the next."""
    subjects = _subjects(db, 2 * plan.asked)
    line = Line(
        f"{name}: unit that moves main and changes its metadata", "ms", peer_label="the same without metadata"
    )
    more = Line(f"{name}: of which metadata", "ms", goal=MORE_MS, goal_is_of_ratio=False)
    with db.read() as tx:
        last_job = tx.execute(select(func.coalesce(func.max(jobs.c.id), 0))).scalar_one()
    for number, (repo, tip) in enumerate(subjects):
        changed = _changed(tip, number)
        # Without, with, without, back to what it was: only the two in the middle, and in turns, are counted.
        _move(db, repo, None)
        turns = [(line.peer, None), (line.hub, changed)]
        for values, facts in turns if number % 2 == 0 else reversed(turns):
            values.append(_move(db, repo, facts))
        _move(db, repo, tip)
        more.hub.append(line.hub[-1] - line.peer[-1])
    with db.write() as tx:
        # There is no git behind these repositories: what follows from a commit could only fail.
        tx.execute(delete(jobs).where(jobs.c.id > last_job))
    yield line
    yield more


def _subjects(db: Database, count: int) -> list[tuple[Repo, TipFacts]]:
    """Return repositories from all over the hub, each with what it says."""
    with db.read() as tx:
        ids = tx.execute(
            select(repos.c.id).where(unhidden()).order_by(repos.c.hex_id).limit(40 * count)
        ).scalars()
        found = []
        for number in list(ids)[::40]:
            repo = rows.get_repo_by_number(tx, number)
            if repo is not None and repo.head_oid is not None:
                found.append((repo, record.read_tip(tx, number)))
        return found


def _changed(tip: TipFacts, number: int) -> TipFacts:
    words = tip.summary.split()
    summary = " ".join([*words[: len(words) // 2], *_WORDS, *words[: len(words) // 3]])
    card = {**(tip.card or {}), "changed": number}
    return replace(
        tip, card=card, summary=summary, tags=(*tip.tags[2:], "changed", f"changed-{number}", "en", "lora")
    )


def _move(db: Database, repo: Repo, tip: TipFacts | None) -> float:
    with db.read() as tx:
        ref = rows.get_ref(tx, repo.id, MAIN)
    assert ref is not None
    new = Oid(hashlib.sha1(ref.oid.encode(), usedforsecurity=False).hexdigest())
    update = RefUpdate(MAIN, ref.oid, new, new)
    begun = time.perf_counter()
    with db.write() as tx:
        refs.move(tx, SYSTEM, repo, [update], consequences=Consequences(tip=tip), now=datetime.now(UTC))
    return 1000 * (time.perf_counter() - begun)


def counters(url: str, plan: Plan, name: str, directory: Path) -> Iterator[Line]:
    """Measure a flush of downloads, as the server does every half minute."""
    settings = Settings(data_dir=directory, database_url=SecretStr(url), secret_key=SecretStr("k" * 40))
    sv = open_services(settings)
    try:
        with sv.db.read() as tx:
            ids = list(
                tx.execute(select(repos.c.id).order_by(repos.c.hex_id).limit(40 * DOWNLOADED)).scalars()
            )[::40]
        line = Line(f"{name}: flush of the downloads of {len(ids):,} repositories", "ms")
        for number in range(plan.rounds):
            for each in ids:
                sv.downloads.note(each, -number - 1, at_s=time.time())
            line.hub.append(_ms(lambda: downloads.flush(sv)))
        yield line
    finally:
        sv.db.close()


def over_http(url: str, site: Site, plan: Plan, name: str, popular: str) -> Iterator[Line]:
    """Measure whole commits of a small file, a card and another, beside the same on a hub that is empty."""
    large = _post(url, "/api/repos/create", {"name": "commits", "type": "model"})
    repo = str(json.loads(large)["name"])
    other = site.create(f"commits-{name.lower()}")
    try:
        for label, path, content in (
            (
                "a commit of a card",
                "README.md",
                "---\nlicense: mit\ntags: [one, word-{0}]\n---\n# Number {0}\n",
            ),
            ("a commit of another file", "notes.txt", "Number {0}\n"),
        ):
            line = Line(f"{name}: {label}", "ms", peer_label="on an empty hub")

            def body(number: int, path: str = path, content: str = content) -> bytes:
                return commit_body(
                    [{"key": "file", "value": {"path": path, "content": content.format(number)}}]
                )

            _post_commit(url, repo, body(0))
            site.post_commit(other, body(0))
            for number in range(1, plan.asked):
                line.hub.append(_ms(lambda n=number: _post_commit(url, repo, body(n))))
                line.peer.append(_ms(lambda n=number: site.post_commit(other, body(n))))
            yield line
        line = Line(f"{name}: a like", "ms", peer_label="on an empty hub")
        liked = f"/api/models/{popular}/like"
        for number in range(plan.asked):
            method = "DELETE" if number % 2 else "POST"
            line.hub.append(_ms(lambda method=method: _post(url, liked, {}, method=method)))
            line.peer.append(_ms(lambda method=method: site.call(method, f"/api/models/{other}/like")))
        yield line
    finally:
        _post(url, "/api/repos/delete", {"name": "commits", "type": "model"}, method="DELETE")


def _ms(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begun)


def _post(url: str, path: str, body: object, *, method: str = "POST") -> bytes:
    return _send(url + path, json.dumps(body).encode(), "application/json", method)


def _post_commit(url: str, repo: str, body: bytes) -> bytes:
    return _send(f"{url}/api/models/{repo}/commit/main", body, "application/x-ndjson", "POST")


def _send(url: str, body: bytes, kind: str, method: str) -> bytes:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
    request = urllib.request.Request(url, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        found: bytes = answer.read()
    return found
