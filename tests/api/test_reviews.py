"""Reviews of pull requests: real files through real commits, what is said of them, and who may read it."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select, update

from api.desk import Desk, delete, file, lfs_file
from openhood.base.settings import Reviews
from openhood.domain.reviews import actions, job, rows
from openhood.engines.diffs import kinds
from openhood.infra.db.community_tables import reviews
from openhood.infra.db.tables import lfs_objects
from openhood.testing.hub import HubUnderTest
from unit.tensor_files import bf16, f32, gguf_file, safetensors_file


class Reviewed(Desk):
    """A repository whose changes are reviewed."""

    def lfs(self, path: str, content: bytes) -> dict[str, Any]:
        """Upload a large file; returns the line that commits it."""
        return lfs_file(path, self.add_lfs(content), size=len(content))

    def open(self, *lines: dict[str, Any]) -> int:
        """Open a pull request by a commit; returns its number."""
        answer = self.commit(*lines, create_pr="1")
        assert answer.status_code == 200, answer.text
        return int(answer.json()["pullRequestUrl"].rpartition("/")[2])

    def ask(self, number: int, *, client: httpx.Client | None = None, **query: object) -> httpx.Response:
        """Ask for the review of a pull request."""
        url = f"{self.api}/discussions/{number}/review"
        return (client or self.client).get(url, params={key: str(value) for key, value in query.items()})

    def review(self, number: int, **query: object) -> dict[str, dict[str, Any]]:
        """The finished review of a pull request, its files by path."""
        self.hub.run_jobs()
        answer = self.ask(number, **query)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        if body["state"] == "waiting":
            self.hub.run_jobs()
            body = self.ask(number, **query).json()
        assert body["state"] == "done", body
        return {each["path"]: each for each in body["files"]}


OLD = {"w": ("F32", [2], f32(3, 4)), "b": ("F32", [1], f32(1)), "gone": ("F32", [1], f32(1))}
NEW = {"w": ("F32", [2], f32(3, 5)), "b": ("BF16", [1], bf16(1)), "fresh": ("F32", [1], f32(2))}
CONFIG = {"hidden_size": 8, "torch_dtype": "float32", "architectures": ["A"]}


def test_a_pull_request_that_changes_a_model(hub_on_both: HubUnderTest) -> None:
    desk = Reviewed(hub_on_both)
    desk.done(
        desk.lfs("model.safetensors", safetensors_file(OLD)),
        file("config.json", json.dumps(CONFIG).encode()),
        file("README.md", b"---\nlicense: mit\n---\n# M\n"),
        file("notes.txt", b"a\nb\n"),
    )
    number = desk.open(
        desk.lfs("model.safetensors", safetensors_file(NEW)),
        file("config.json", json.dumps({**CONFIG, "torch_dtype": "bfloat16"}, indent=1).encode()),
        file("README.md", b"---\nlicense: apache-2.0\n---\n# M\nmore\n"),
        file("notes.txt", b"a\nc\nd\n"),
        file("tensor.gguf", gguf_file({"general.architecture": "llama"}, {"w": (0, [2], f32(1, 2))})),
    )
    first = desk.ask(number)
    assert first.status_code == 200
    assert first.json()["state"] == "waiting"
    assert first.headers["Retry-After"] == "2"
    assert {each["state"] for each in first.json()["files"]} == {"waiting", "done"}
    files = desk.review(number)
    assert list(files) == ["README.md", "config.json", "model.safetensors", "notes.txt", "tensor.gguf"]
    model = files["model.safetensors"]
    assert (model["kind"], model["format"], model["status"]) == ("tensors", "safetensors", "modified")
    assert model["summary"] == (
        "1 tensor added; 1 tensor removed; 1 tensor recast F32→BF16 without loss; "
        "1 of 3 tensors changed by 20.0 % (relative L2)"
    )
    assert model["details"]["changed"][0]["relativeL2"] == 0.2
    assert model["old"][0]["size"] == len(safetensors_file(OLD))
    config = files["config.json"]
    assert config["summary"] == "1 value changed (torch_dtype: float32 → bfloat16)"
    assert config["details"]["changes"][0]["note"] == "weights are loaded in another precision"
    assert files["README.md"]["summary"] == (
        "metadata: 1 value changed (license: mit → apache-2.0); text: 1 line added, 0 removed"
    )
    notes = files["notes.txt"]
    assert (notes["kind"], notes["summary"]) == ("file", "modified: 2 lines added, 1 removed")
    assert files["tensor.gguf"]["summary"] == "added: llama: 1 tensor, 2 parameters (F32)"
    assert "Retry-After" not in desk.ask(number).headers
    brief = desk.review(number, details="false")
    assert all("details" not in each for each in brief.values())
    assert "summary" in brief["config.json"]


def test_a_pull_request_is_reviewed_before_anybody_asks(hub: HubUnderTest) -> None:
    desk = Reviewed(hub)
    desk.done(file("config.json", b'{"a": 1}'))
    number = desk.open(file("config.json", b'{"a": 2}'))
    hub.run_jobs()
    assert desk.ask(number).json()["state"] == "done"
    desk.done(file("config.json", b'{"a": 3}'), rev=f"refs/pr/{number}")
    hub.run_jobs()
    body = desk.ask(number).json()
    assert (body["state"], body["files"][0]["summary"]) == ("done", "1 value changed (a: 1 → 3)")


def test_the_details_of_a_pull_request_hold_its_review(hub: HubUnderTest) -> None:
    desk = Reviewed(hub)
    desk.done(file("config.json", b'{"a": 1}'))
    number = desk.open(file("config.json", b'{"a": 2}'))
    hub.run_jobs()
    body = desk.client.get(f"{desk.api}/discussions/{number}", params={"diff": "review"}).json()
    assert body["review"]["files"][0]["summary"] == "1 value changed (a: 1 → 2)"
    assert "review" not in desk.client.get(f"{desk.api}/discussions/{number}").json()


def test_only_so_many_wait_at_once(hub: HubUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "MAX_WAITING", 2)
    desk = Reviewed(hub)
    first = desk.tip()
    desk.done(*(file(f"c{n}/config.json", b'{"a": %d}' % n) for n in range(5)))
    repo = desk.repo.id
    states = []
    while "waiting" in (body := desk.client.get(f"{desk.api}/review/{first}..main").json())["state"]:
        states.append([each["state"] for each in body["files"]].count("waiting"))
        with hub.sv.db.read() as tx:
            assert rows.count_waiting(tx, repo) <= 2
        hub.run_jobs()
    assert states == [5, 3, 1]


def test_a_merged_pull_request_still_shows_what_it_changed(hub: HubUnderTest) -> None:
    desk = Reviewed(hub)
    desk.done(file("config.json", b'{"a": 1}'))
    number = desk.open(file("config.json", b'{"a": 2}'))
    desk.client.post(f"{desk.api}/discussions/{number}/status", json={"status": "open"})
    desk.client.post(f"{desk.api}/discussions/{number}/merge", json={}).raise_for_status()
    assert desk.review(number)["config.json"]["summary"] == "1 value changed (a: 1 → 2)"


def test_data_is_compared_by_rows(hub: HubUnderTest) -> None:
    desk = Reviewed(hub, kind="dataset", name="d")

    def parquet(ids: list[int], texts: list[str]) -> bytes:
        sink = io.BytesIO()
        pq.write_table(pa.table({"id": ids, "text": texts}), sink)
        return sink.getvalue()

    desk.done(
        file("a.csv", b"id,x\n1,a\n2,b\n3,c\n"),
        file("b.jsonl", b'{"t": "x"}\n{"t": "y"}\n'),
        desk.lfs("data/train-00000-of-00001.parquet", parquet([1, 2, 3], ["a", "b", "c"])),
    )
    number = desk.open(
        file("a.csv", b"id,x,y\n1,a,1\n3,z,2\n4,d,3\n"),
        file("b.jsonl", b'{"t": "y"}\n{"t": "x"}\n'),
        delete("data/train-00000-of-00001.parquet"),
        desk.lfs("data/train-00000-of-00002.parquet", parquet([1, 2], ["a", "B"])),
        desk.lfs("data/train-00001-of-00002.parquet", parquet([3, 4], ["c", "d"])),
    )
    files = desk.review(number)
    assert files["a.csv"]["summary"] == ("1 row added; 1 row removed; 1 row changed; 1 column added ('y')")
    assert files["a.csv"]["details"]["key"] == "id"
    assert files["a.csv"]["details"]["samples"]["changed"] == [
        {"row": 1, "oldRow": 2, "key": "3", "cells": [{"column": "x", "old": "c", "new": "z"}]}
    ]
    assert files["b.jsonl"]["summary"] == "rows in another order"
    shards = files["data/train.parquet"]
    assert shards["summary"] == "1 row added; 1 row changed"
    assert [each["path"] for each in shards["new"]] == [
        "data/train-00000-of-00002.parquet",
        "data/train-00001-of-00002.parquet",
    ]


def test_any_two_revisions(hub: HubUnderTest) -> None:
    desk = Reviewed(hub)
    first = desk.done(file("config.json", b'{"a": 1}'))
    desk.done(file("config.json", b'{"a": 2}'))
    hub.client()
    url = f"{desk.api}/review/{first}..main"
    assert desk.client.get(url).json()["state"] == "waiting"
    hub.run_jobs()
    body = desk.client.get(url).json()
    assert (body["base"], body["head"]) == (first, desk.tip())
    assert body["files"][0]["summary"] == "1 value changed (a: 1 → 2)"
    assert desk.client.get(f"{desk.api}/review/main..{first}").json()["base"] == desk.tip()
    assert desk.client.get(f"{desk.api}/review/main...{first}").json()["files"] == []
    assert desk.client.get(f"{desk.api}/review/main").status_code == 400
    assert desk.client.get(f"{desk.api}/review/nope..main").status_code == 404
    assert desk.ask(99).status_code == 404
    assert desk.client.get(f"{desk.api}/discussions/x/review").status_code == 404


def test_only_who_may_read_the_files_may_read_their_review_regression(hub: HubUnderTest) -> None:
    desk = Reviewed(hub)
    first = desk.done(file("config.json", b'{"secret": 1}'))
    number = desk.open(file("config.json", b'{"secret": 2}'))
    desk.review(number)
    bob, anybody = hub.client(hub.add_user("bob")), hub.client()
    urls = [f"{desk.api}/discussions/{number}/review", f"{desk.api}/review/{first}..refs%2Fpr%2F{number}"]
    for url in urls:
        assert anybody.get(url).status_code == 200
    desk.client.put(f"{desk.api}/settings", json={"gated": "manual"}).raise_for_status()
    for url in urls:
        assert (bob.get(url).status_code, bob.get(url).headers["X-Error-Code"]) == (403, "GatedRepo")
        assert anybody.get(url).status_code == 401
        assert desk.client.get(url).status_code == 200
    desk.client.put(f"{desk.api}/settings", json={"gated": False, "private": True}).raise_for_status()
    for url in urls:
        assert bob.get(url).status_code == 404
        assert anybody.get(url).status_code == 401


def test_a_review_of_deleted_content_is_not_shown_any_more_regression(hub: HubUnderTest) -> None:
    desk = Reviewed(hub, kind="dataset", name="d")
    old, new = b"id,secret\n1,a\n", b"id,secret\n1,b\n"
    desk.done(desk.lfs("a.csv", old))
    number = desk.open(desk.lfs("a.csv", new))
    assert "samples" in desk.review(number)["a.csv"]["details"]
    listed = desk.client.get(f"{desk.api}/lfs-files").json()
    body = {"deletions": {"sha": [each["fileOid"] for each in listed], "rewriteHistory": False}}
    desk.client.post(f"{desk.api}/lfs-files/batch", json=body).raise_for_status()
    (shown,) = desk.ask(number).json()["files"]
    assert shown["state"] == "failed"
    assert "details" not in shown
    assert "deleted" in shown["error"]


def test_files_come_page_by_page(hub: HubUnderTest) -> None:
    desk = Reviewed(hub)
    number = desk.open(*(file(f"c{n}/config.json", b'{"a": %d}' % n) for n in range(5)))
    found, url = [], f"{desk.api}/discussions/{number}/review?limit=2"
    while url:
        answer = desk.client.get(url)
        assert answer.json()["fileCount"] == 5
        found += [each["path"] for each in answer.json()["files"]]
        url = answer.links.get("next", {}).get("url", "")
    assert found == [f"c{n}/config.json" for n in range(5)]


def test_bad_files_fail_only_their_own_review(hub: HubUnderTest) -> None:
    desk = Reviewed(hub)
    deep = b"[" * 100_000 + b"]" * 100_000
    desk.done(
        file("config.json", b"{}"), desk.lfs("m.safetensors", safetensors_file(OLD)), file("x.json", b"{}")
    )
    number = desk.open(
        file("config.json", b"{nonsense"),
        desk.lfs("m.safetensors", b"\xff" * 200),
        file("x.json", deep),
        file("data.parquet", b"PAR1" + bytes(100) + b"PAR1"),
        file("ok.json", b'{"a": 1}'),
    )
    files = desk.review(number)
    assert files["ok.json"]["state"] == "done"
    for path, words in (
        ("config.json", "not valid JSON"),
        ("m.safetensors", "safetensors header"),
        ("x.json", "not valid JSON"),
        ("data.parquet", "not valid Parquet"),
    ):
        assert files[path]["state"] == "failed", path
        assert words in files[path]["error"], files[path]["error"]
        assert "details" not in files[path]


@pytest.fixture
def small() -> Any:
    limits = Reviews(memory_bytes=256 * 1024**2, timeout_s=60)
    with HubUnderTest(reviews=limits) as hub:
        yield hub


def test_a_file_that_takes_too_much_memory_is_given_up(small: HubUnderTest) -> None:
    desk = Reviewed(small)
    # Twenty megabytes of JSON that become some hundred times as many objects.
    bomb = b'{"a": [' + b"{}," * 7_000_000 + b"{}]}"
    number = desk.open(desk.lfs("big.json", bomb), file("config.json", b'{"a": 1}'))
    files = desk.review(number)
    assert files["big.json"]["state"] == "failed"
    assert "memory" in files["big.json"]["error"]
    assert files["config.json"]["state"] == "done"


def test_a_file_that_takes_too_long_is_given_up() -> None:
    with HubUnderTest(reviews=Reviews(timeout_s=0.02)) as hub:
        desk = Reviewed(hub)
        slow = b'{"a": [' + b"{}," * 2_000_000 + b"{}]}"
        number = desk.open(desk.lfs("slow.json", slow))
        shown = desk.review(number)["slow.json"]
    assert shown["state"] == "failed"
    assert "seconds" in shown["error"]


def test_bytes_that_the_store_lost_fail_only_their_own_review(hub: HubUnderTest) -> None:
    desk = Reviewed(hub)
    number = desk.open(desk.lfs("m.safetensors", safetensors_file(OLD)), file("config.json", b'{"a": 1}'))
    with hub.sv.db.read() as tx:
        key = tx.execute(select(lfs_objects.c.key)).scalar_one()
    hub.sv.objects.delete(key)
    files = desk.review(number)
    assert files["m.safetensors"]["state"] == "failed"
    assert "storage" in files["m.safetensors"]["error"]
    assert key not in files["m.safetensors"]["error"]
    assert files["config.json"]["state"] == "done"


def test_new_rules_find_anew_and_the_old_are_forgotten(
    hub: HubUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Reviewed(hub)
    number = desk.open(file("config.json", b'{"a": 1}'))
    desk.review(number)
    with hub.sv.db.write() as tx:
        tx.execute(update(reviews).values(version=kinds.RULES_VERSION - 1))
    assert desk.ask(number).json()["state"] == "waiting"
    desk.review(number)
    hub.clock.advance(job.KEPT_FOR.total_seconds() - 3600)
    job.sweep_reviews(hub.sv, {})
    assert desk.ask(number).json()["state"] == "done", "kept, and looked at again"
    hub.clock.advance(7200)
    job.sweep_reviews(hub.sv, {})
    assert desk.ask(number).json()["state"] == "done"
    hub.clock.advance(job.KEPT_FOR.total_seconds() + 60)
    job.sweep_reviews(hub.sv, {})
    with hub.sv.db.read() as tx:
        assert tx.execute(select(reviews)).all() == []
    assert desk.ask(number).json()["state"] == "waiting"


def test_a_large_file_kept_as_chunks_is_compared(hub: HubUnderTest) -> None:
    desk = Reviewed(hub)
    rng = np.random.default_rng(1)
    values = rng.normal(size=600_000).astype("<f4")
    changed = values.copy()
    changed[-1000:] += 1
    desk.done(desk.lfs("m.safetensors", safetensors_file({"w": ("F32", [600_000], values.tobytes())})))
    hub.run_jobs()  # turned into chunks
    number = desk.open(
        desk.lfs("m.safetensors", safetensors_file({"w": ("F32", [600_000], changed.tobytes())}))
    )
    said = desk.review(number)["m.safetensors"]["details"]
    assert said["changed"][0]["changedFraction"] == pytest.approx(1000 / 600_000, rel=1e-3)
    expected = np.linalg.norm(changed - values) / np.linalg.norm(values)
    assert said["changed"][0]["relativeL2"] == pytest.approx(float(expected), rel=1e-4)
