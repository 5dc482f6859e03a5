"""Leaderboards: order, which models are on them, who sees which, and pages."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api.commits_client import commit
from openhood.domain.discovery.leaderboard import Task, read_tasks
from openhood.testing.hub import HubUnderTest

BENCHMARK = b"""name: Bench
evaluation_framework: inspect-ai
tasks:
  - {id: main, config: default, split: test}
  - {id: errors, config: default, split: test, higher_is_better: false}
"""


def entry(value: object, *, task: str = "main", dataset: str = "acme/Bench", more: str = "") -> str:
    return f"- dataset: {{id: {dataset}, task_id: {task}}}\n  value: {value}\n{more}"


def submit(client: httpx.Client, repo: str, *entries: str, card: str = "", private: bool = False) -> None:
    name = repo.split("/")[1]
    client.post("/api/repos/create", json={"name": name, "private": private}).raise_for_status()
    files = {".eval_results/r.yaml": "".join(entries).encode()}
    commit(client, repo, {**files, "README.md": f"---\n{card}\n---\n".encode()} if card else files)


def board(client: httpx.Client, dataset: str = "acme/Bench", **query: str) -> Any:
    answer = client.get(f"/api/datasets/{dataset}/leaderboard", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def places(found: Any) -> list[tuple[int, str, float]]:
    return [(each["rank"], each["modelId"], each["value"]) for each in found]


@pytest.fixture
def bench(hub_on_both: HubUnderTest) -> HubUnderTest:
    """acme's benchmark."""
    hub = hub_on_both
    alice = hub.client(hub.add_user("alice", email="alice@example.org"))
    hub.add_org("acme", members={"alice": "admin"})
    alice.post("/api/repos/create", json={"name": "Bench", "organization": "acme", "type": "dataset"}).raise_for_status()  # fmt: skip
    commit(alice, "acme/Bench", {"eval.yaml": BENCHMARK}, kind="datasets")
    return hub


def test_the_best_come_first(bench: HubUnderTest) -> None:
    alice = bench.client(bench.add_token("alice"))
    logs = (
        '  source: {url: "https://example.org/logs", name: Logs}\n  notes: no-tools\n  date: "2025-01-15"\n'
    )
    here = '  source: {url: "http://hub.test/spaces/a/b"}\n'
    submit(alice, "alice/good", entry(20.5, more=logs), entry(3, task="errors"))
    submit(alice, "alice/better", entry(70, dataset="ACME/bench", more=here), entry(5, task="errors"))
    submit(alice, "alice/words", entry("very good"), entry(".nan"), entry(".inf"))
    submit(alice, "alice/elsewhere", entry(99, dataset="acme/other"), entry(99, task="third"))
    found = board(bench.client())
    assert places(found) == [(1, "alice/better", 70), (2, "alice/good", 20.5)]
    author = found[0]["author"]
    assert (author["type"], author["name"], author["fullname"]) == ("user", "alice", "alice")
    assert author["avatarUrl"].startswith("/avatars/")
    assert found[1] == {
        "rank": 2,
        "modelId": "alice/good",
        "value": 20.5,
        "filename": ".eval_results/r.yaml",
        "verified": False,
        "author": author,
        "source": {"url": "https://example.org/logs", "name": "Logs", "isExternal": True},
        "notes": "no-tools",
        "date": "2025-01-15",
    }
    assert found[0]["source"] == {"url": "http://hub.test/spaces/a/b", "isExternal": False}
    # Of errors the fewest are best.
    assert places(board(bench.client(), task_id="errors")) == [(1, "alice/good", 3), (2, "alice/better", 5)]
    refused = bench.client().get("/api/datasets/acme/Bench/leaderboard?task_id=none")
    assert refused.status_code == 400
    assert "main, errors" in refused.json()["error"]


def test_derived_models_only_on_request(bench: HubUnderTest) -> None:
    alice = bench.client(bench.add_token("alice"))
    submit(alice, "alice/root", entry(1), entry(4), card="tags: ['x\"base_model:y']")
    submit(alice, "alice/tuned", entry(2), card="base_model: alice/root")
    for value in ("true", "True", ""):
        assert places(board(bench.client(), base_model=value)) == [(1, "alice/root", 4), (2, "alice/root", 1)]
    for value in ("false", "False"):
        assert [each["modelId"] for each in board(bench.client(), base_model=value)] == [
            "alice/root",
            "alice/tuned",
            "alice/root",
        ]


def test_private_models_are_seen_by_their_readers_only(bench: HubUnderTest) -> None:
    alice = bench.client(bench.add_token("alice"))
    submit(alice, "alice/open", entry(1))
    submit(alice, "alice/secret", entry(9), private=True)
    assert places(board(bench.client())) == [(1, "alice/open", 1)]
    assert places(board(bench.client(bench.add_user("eve")))) == [(1, "alice/open", 1)]
    assert places(board(alice)) == [(1, "alice/secret", 9), (2, "alice/open", 1)]


def test_results_follow_the_dataset_to_its_new_id(bench: HubUnderTest) -> None:
    alice = bench.client(bench.add_token("alice"))
    submit(alice, "alice/m", entry(1))
    moved = {"fromRepo": "acme/Bench", "toRepo": "acme/exam", "type": "dataset"}
    alice.post("/api/repos/move", json=moved).raise_for_status()
    submit(alice, "alice/n", entry(2, dataset="acme/exam"))
    assert [each["modelId"] for each in board(bench.client(), "acme/exam")] == ["alice/n", "alice/m"]
    commit(alice, "alice/n", {".eval_results/r.yaml": None})
    assert [each["modelId"] for each in board(bench.client(), "acme/exam")] == ["alice/m"]


def test_pages(bench: HubUnderTest) -> None:
    alice = bench.client(bench.add_token("alice"))
    submit(alice, "alice/m", *(entry(value) for value in range(5)))
    url, found = "/api/datasets/acme/Bench/leaderboard?limit=2", []
    while url:
        answer = bench.client().get(url)
        found += places(answer.json())
        url = answer.links.get("next", {}).get("url", "")
    assert found == [(rank, "alice/m", 5 - rank) for rank in range(1, 6)]
    for cursor in ("-1", "x", "1e3", "99999999", "²"):
        bad = bench.client().get("/api/datasets/acme/Bench/leaderboard", params={"cursor": cursor})
        assert bad.status_code == 400, cursor


def test_what_has_no_leaderboard(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    for name, content in (
        ("plain", None),
        ("odd", b"tasks: {a: 1}"),
        ("bomb", b"&a [*a]"),
        ("large", b"#" * 200_000),
    ):
        client.post("/api/repos/create", json={"name": name, "type": "dataset"}).raise_for_status()
        if content is not None:
            commit(client, f"alice/{name}", {"eval.yaml": content}, kind="datasets")
        answer = client.get(f"/api/datasets/alice/{name}/leaderboard")
        assert answer.status_code == 404, name
        assert "eval.yaml" in answer.json()["error"]
    client.post(
        "/api/repos/create", json={"name": "hidden", "type": "dataset", "private": True}
    ).raise_for_status()
    commit(client, "alice/hidden", {"eval.yaml": BENCHMARK}, kind="datasets")
    assert board(client, "alice/hidden") == []
    assert hub.client().get("/api/datasets/alice/hidden/leaderboard").status_code == 401
    client.post("/api/repos/create", json={"name": "m"}).raise_for_status()
    assert client.get("/api/models/alice/m/leaderboard").status_code == 404


def test_reading_the_tasks() -> None:
    everywhere = (
        "higher_is_better: false\ntasks: [{id: a}, {id: a}, {id: b, higher_is_better: true}, {id: 3}, c]"
    )
    assert read_tasks(everywhere) == (Task("a", True), Task("b", False))
    for text in (
        "",
        "[]",
        "tasks:",
        "tasks: []",
        "a: [",
        "tasks: [{id: ''}]",
        f"tasks: [{{id: {'x' * 201}}}]",
    ):
        assert read_tasks(text) == ()
