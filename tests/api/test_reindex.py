"""Describing everything anew gives the rows that the commits wrote, from git and the store alone."""

from __future__ import annotations

import json
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from api.desk import Desk, file, lfs_file
from api.desk import delete as remove
from openhood.base.names import MAIN
from openhood.domain.catalog.record import unpack_paths
from openhood.domain.discovery import reindex
from openhood.infra.db import finding
from openhood.infra.db.discovery_tables import evaluations, repo_files, repo_texts, tags, weight_headers
from openhood.infra.db.engine import Tx
from openhood.infra.db.finding import repo_tags
from openhood.infra.db.tables import repos
from openhood.testing.hub import HubUnderTest

CARD = """---
license: mit
language: [fr, de]
tags: [tiny, ours]
datasets: [alice/words]
base_model: alice/base
base_model_relation: finetune
---
# A card

Seldom words such as quetzalcoatlus stand here.
"""
RESULT = """- dataset:
    id: alice/words
    task_id: default
  value: 0.75
"""
_DERIVED = (
    "card",
    "config",
    "tags",
    "extras",
    "pipeline_tag",
    "library_name",
    "sdk",
    "weights",
    "parameters",
    "main_bytes",
)


def safetensors() -> bytes:
    """Six numbers of two bytes."""
    head = json.dumps({"w": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}}).encode()
    return struct.pack("<Q", len(head)) + head + bytes(12)


def everything(tx: Tx) -> dict[str, Any]:
    """All that is derived, with names in place of the numbers of tags."""
    names = {row.id: row.name for row in tx.execute(select(tags))}
    found: dict[str, Any] = {
        "tags": sorted(
            (row.type, row.name, row.key, row.category, row.n_public, row.n_all)
            for row in tx.execute(select(tags).where(tags.c.n_all > 0))
        ),
        "texts": sorted(tuple(row) for row in tx.execute(select(repo_texts))),
        "files": sorted(
            (row.repo_id, row.head_oid, unpack_paths(row.names)) for row in tx.execute(select(repo_files))
        ),
        "results": sorted(
            (row.repo_id, row.number, row.dataset_key, row.value, str(row.entry))
            for row in tx.execute(select(evaluations))
        ),
        "headers": sorted(
            (row.sha256, str(row.facts), row.error) for row in tx.execute(select(weight_headers))
        ),
    }
    for row in tx.execute(select(repos).order_by(repos.c.id)):
        derived = {name: row._mapping[name] for name in _DERIVED}
        found[row.search_text] = derived | {"filters": sorted(names[number] for number in row.tag_ids or ())}
    if finding.is_sqlite(tx):
        inverted = tx.execute(select(repo_tags.c.tag_id, repo_tags.c.repo_id))
        found["inverted"] = sorted((row.repo_id, names[row.tag_id]) for row in inverted)
    return found


def wipe(tx: Tx) -> None:
    """Forget all that git and the store can tell again."""
    for table in (repo_texts, repo_files, evaluations, weight_headers, tags):
        tx.execute(delete(table))
    if finding.is_sqlite(tx):
        tx.execute(delete(repo_tags))
    tx.execute(
        update(repos).values(
            card=None, config=None, tags=[], tag_ids=None, extras={}, pipeline_tag=None, library_name=None, sdk=None,
            weights=None, parameters=None, main_bytes=0,
        )
    )  # fmt: skip


@pytest.fixture
def desk(hub_on_both: HubUnderTest) -> Desk:
    """A hub with a model that says much, one that is private, a dataset and a space."""
    desk = Desk(hub_on_both)
    weights = desk.add_lfs(safetensors())
    desk.done(
        file("README.md", CARD.encode()),
        file("config.json", b'{"model_type": "bert", "architectures": ["BertForMaskedLM"]}'),
        file(".eval_results/words.yaml", RESULT.encode()),
        lfs_file("model.safetensors", weights),
    )
    for name, kind, files in (
        ("base", "model", {"README.md": b"---\nlicense: mit\n---\n", "model.safetensors": safetensors()}),
        ("hidden", "model", {"README.md": b"---\ntags: [secret]\n---\n"}),
        ("words", "dataset", {"README.md": b"---\nlanguage: fr\n---\n", "data/train.csv": b"a,b\n"}),
    ):
        other = Desk.__new__(Desk)
        other.__dict__.update(desk.__dict__)
        made = desk.client.post(
            "/api/repos/create", json={"name": name, "type": kind, "private": name == "hidden"}
        )
        assert made.status_code == 200, made.text
        other.api = f"/api/{kind}s/alice/{name}"
        other.done(*(file(path, data) for path, data in files.items()))
    hub_on_both.run_jobs()
    return desk


def test_everything_comes_back(desk: Desk) -> None:
    hub = desk.hub
    with hub.sv.db.read() as tx:
        before = everything(tx)
    assert before["alice/m"]["parameters"] == 6
    assert {"license:mit", "base_model:finetune:alice/base"} <= set(before["alice/m"]["filters"])
    with hub.sv.db.write() as tx:
        wipe(tx)
        assert everything(tx) != before
    done = reindex.reindex(hub.sv)
    assert (done.repo_count, done.failures) == (4, ())
    with hub.sv.db.read() as tx:
        assert everything(tx) == before
    # And once more, over rows that are right already.
    reindex.reindex(hub.sv)
    with hub.sv.db.read() as tx:
        assert everything(tx) == before


def test_the_job_does_the_same(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = desk.hub
    monkeypatch.setattr(reindex, "_PAGE", 2)
    with hub.sv.db.read() as tx:
        before = everything(tx)
    with hub.sv.db.write() as tx:
        wipe(tx)
        reindex.queue.enqueue(tx, "reindex_repos", {}, now=hub.sv.clock.now())
    while hub.run_jobs():
        pass
    with hub.sv.db.read() as tx:
        assert everything(tx) == before


def test_wrong_counts_and_strays_are_put_right(desk: Desk) -> None:
    hub = desk.hub
    with hub.sv.db.read() as tx:
        before = everything(tx)
        repo = tx.execute(select(repos.c.id).where(repos.c.name == "base")).scalar_one()
        tag = tx.execute(select(tags.c.id).where(tags.c.name == "tiny")).scalar_one()
    with hub.sv.db.write() as tx:
        tx.execute(update(tags).values(n_public=7, n_all=tags.c.n_all + 3))
        tx.execute(update(repos).values(likes=5))
        finding.index_tags(tx, repo, added=[tag], removed=())
    reindex.recount(hub.sv)
    with hub.sv.db.read() as tx:
        assert everything(tx) == before
        assert tx.execute(select(func.max(repos.c.likes))).scalar() == 0


def test_counts_follow_every_change(desk: Desk) -> None:
    """Visibility, renaming, deleting and changed cards, against a count of the rows themselves."""
    hub = desk.hub

    def check() -> None:
        with hub.sv.db.read() as tx:
            counted = {(row.type, row.name): (row.n_public, row.n_all) for row in tx.execute(select(tags))}
            names = {row.id: row.name for row in tx.execute(select(tags))}
            public, total = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
            for row in tx.execute(select(repos)):
                for number in row.tag_ids or ():
                    total[row.type, names[number]] += 1
                    public[row.type, names[number]] += row.visibility != "private"
        assert {key: value for key, value in counted.items() if value != (0, 0)} == {
            key: (public[key], total[key]) for key in total
        }

    check()
    client = desk.client
    assert client.put(f"{desk.api}/settings", json={"private": True}).status_code == 200
    check()
    desk.done(file("README.md", b"---\ntags: [other]\n---\n"), remove("config.json"))
    check()
    assert client.put(f"{desk.api}/settings", json={"private": False}).status_code == 200
    check()
    moved = client.post("/api/repos/move", json={"fromRepo": "alice/m", "toRepo": "alice/n", "type": "model"})
    assert moved.status_code == 200
    check()
    gone = client.request("DELETE", "/api/repos/delete", json={"name": "hidden", "type": "model"})
    assert gone.status_code == 200
    check()
    with hub.sv.db.read() as tx:
        assert sorted(tx.execute(select(repo_texts.c.name)).scalars()) == [
            "alice/base",
            "alice/n",
            "alice/words",
        ]


def test_a_damaged_repository_is_named_and_the_others_done(desk: Desk) -> None:
    hub = desk.hub
    repo = desk.repo
    with hub.sv.db.read() as tx:
        main = reindex.rows.get_ref(tx, repo.id, MAIN)
    assert main is not None
    with hub.sv.db.write() as tx:
        wipe(tx)
        from openhood.infra.db.tables import refs

        tx.execute(
            update(refs)
            .where(refs.c.repo_id == repo.id)
            .values(oid="0" * 39 + "1", commit_oid="0" * 39 + "1")
        )
    done = reindex.reindex(hub.sv)
    assert [failure.repo for failure in done.failures] == ["model:alice/m"]
    with hub.sv.db.read() as tx:
        assert {row.name for row in tx.execute(select(repo_texts))} == {
            "alice/base",
            "alice/hidden",
            "alice/words",
        }


def test_the_command(desk: Desk, tmp_path: Path) -> None:
    hub = desk.hub
    if not hub.sv.db.is_sqlite:
        pytest.skip("the command opens a data directory of its own")
    from typer.testing import CliRunner

    from openhood.cli.main import app

    answer = CliRunner().invoke(app, ["reindex", "--data", str(hub.sv.settings.data_dir), "--json"])
    assert answer.exit_code == 0, answer.output
    said = json.loads(answer.output)
    assert (said["ok"], said["repos"]) == (True, 4)
    one = CliRunner().invoke(app, ["reindex", "alice/m", "--data", str(hub.sv.settings.data_dir)])
    assert "Described 1 repository anew." in one.output
    none = CliRunner().invoke(app, ["reindex", "alice/none", "--data", str(hub.sv.settings.data_dir)])
    assert none.exit_code != 0
