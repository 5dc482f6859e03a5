"""Lineage in both directions: what was made from what, who uses it, and nothing of what is private."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api.commits_client import commit
from openhood.domain.discovery.lineage import bases_in
from openhood.testing.hub import HubUnderTest

GONE = {"count": 0, "first": []}


def create(client: httpx.Client, repo: str, card: str, *, kind: str = "model", **body: object) -> None:
    owner, name = repo.split("/")
    more = {"sdk": "static"} if kind == "space" else {}
    answer = client.post("/api/repos/create", json={"name": name, "type": kind, **more, **body})
    assert answer.status_code == 200, answer.text
    assert answer.json()["name"].split("/")[0] == owner
    commit(client, repo, {"README.md": f"---\n{card}\n---\n".encode()}, kind=f"{kind}s")


def lineage(client: httpx.Client, repo: str, *, kind: str = "models", **query: str) -> Any:
    answer = client.get(f"/api/{kind}/{repo}/lineage", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(group: Any) -> list[str]:
    return sorted(item["id"] for item in group["first"])


@pytest.fixture
def family(hub_on_both: HubUnderTest) -> HubUnderTest:
    """alice has a base; bob's models and spaces use it, two of them in private."""
    hub = hub_on_both
    alice = hub.client(hub.add_user("alice", email="alice@example.org"))
    bob = hub.client(hub.add_user("bob", email="bob@example.org"))
    create(alice, "alice/data", "license: mit", kind="dataset")
    create(alice, "alice/Base", "datasets: [alice/data, squad]\nbase_model: far/away")
    create(bob, "bob/tuned", "base_model: alice/base\ndatasets: alice/DATA")
    create(bob, "bob/small", "base_model: alice/Base\nbase_model_relation: quantized")
    create(bob, "bob/lora", "base_model: [alice/Base]\ntags: [lora]")
    create(bob, "bob/hidden", "base_model: alice/Base\ndatasets: alice/data", private=True)
    create(bob, "bob/app", "sdk: static\nmodels: [alice/base]\ndatasets: [alice/data]", kind="space")
    create(bob, "bob/backroom", "sdk: static\nmodels: [alice/Base]\ndatasets: [alice/data]", kind="space", private=True)  # fmt: skip
    return hub


def test_a_model(family: HubUnderTest) -> None:
    shown = lineage(family.client(), "alice/Base")
    assert (shown["id"], shown["type"]) == ("alice/Base", "model")
    assert shown["baseModels"] == [{"id": "far/away", "relation": "finetune"}]
    here, squad = shown["datasets"]
    assert (here["id"], here["repo"]["id"]) == ("alice/data", "alice/data")
    assert squad == {"id": "squad"}
    children = shown["children"]
    assert children["count"] == 3
    by_relation = {name: (group["count"], ids(group)) for name, group in children["byRelation"].items()}
    assert by_relation == {
        "finetune": (1, ["bob/tuned"]),
        "quantized": (1, ["bob/small"]),
        "adapter": (1, ["bob/lora"]),
        "merge": (0, []),
    }
    assert (shown["spaces"]["count"], ids(shown["spaces"])) == (1, ["bob/app"])
    first = children["byRelation"]["quantized"]["first"][0]
    assert {"likes", "downloads", "private", "_id", "tags"} <= first.keys()
    [base] = lineage(family.client(), "bob/tuned")["baseModels"]
    assert (base["id"], base["relation"], base["repo"]["id"]) == ("alice/Base", "finetune", "alice/Base")
    short = lineage(family.client(), "alice/Base", limit="0")
    assert (short["children"]["count"], short["spaces"]) == (3, {"count": 1, "first": []})


def test_a_dataset_and_a_space(family: HubUnderTest) -> None:
    shown = lineage(family.client(), "alice/data", kind="datasets")
    assert (shown["models"]["count"], ids(shown["models"])) == (2, ["alice/Base", "bob/tuned"])
    assert (shown["spaces"]["count"], ids(shown["spaces"])) == (1, ["bob/app"])
    app = lineage(family.client(), "bob/app", kind="spaces")
    assert [(each["id"], each["repo"]["id"]) for each in app["models"]] == [("alice/Base", "alice/Base")]
    assert [each["id"] for each in app["datasets"]] == ["alice/data"]


def test_nobody_learns_of_what_is_private(family: HubUnderTest) -> None:
    told = lineage(family.client(), "alice/Base", limit="100")
    assert told == lineage(family.client(family.add_user("eve")), "alice/Base", limit="100")
    assert "bob/hidden" not in str(told)
    assert "bob/backroom" not in str(told)
    # Who may read them sees them, the numbers stay everybody's.
    bob = family.client(family.add_token("bob"))
    own = lineage(bob, "alice/Base")
    assert ids(own["children"]["byRelation"]["finetune"]) == ["bob/hidden", "bob/tuned"]
    assert own["children"]["byRelation"]["finetune"]["count"] == 1
    assert ids(own["spaces"]) == ["bob/app", "bob/backroom"]
    # A private base is but a name to others, its old name too; its own lineage does not exist for them.
    create(bob, "bob/child", "base_model: bob/hidden")
    for name in ("bob/hidden", "bob/moved"):
        assert lineage(family.client(), "bob/child")["baseModels"] == [
            {"id": "bob/hidden", "relation": "finetune"}
        ]
        [base] = lineage(bob, "bob/child")["baseModels"]
        assert (base["id"], base["repo"]["private"]) == (name, True)
        assert lineage(bob, name)["children"]["count"] == 1
        assert family.client().get(f"/api/models/{name}/lineage").status_code == 401
        if name == "bob/hidden":
            bob.post(
                "/api/repos/move", json={"fromRepo": name, "toRepo": "bob/moved", "type": "model"}
            ).raise_for_status()


def test_old_ids_and_aliases_count(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    hub.add_org("acme", members={})
    alice = hub.client(hub.add_user("alice"))
    create(alice, "alice/first", "license: mit")
    create(alice, "alice/one", "base_model: alice/first")
    for old, new in (("first", "second"), ("second", "third")):
        alice.post(
            "/api/repos/move", json={"fromRepo": f"alice/{old}", "toRepo": f"alice/{new}", "type": "model"}
        ).raise_for_status()
        create(alice, f"alice/of-{old}", f"base_model: Alice/{new.capitalize()}")
    shown = lineage(hub.client(), "alice/third")
    assert shown["children"]["count"] == 3
    assert ids(shown["children"]["byRelation"]["finetune"]) == [
        "alice/of-first",
        "alice/of-second",
        "alice/one",
    ]
    for child in ("alice/one", "alice/of-first", "alice/of-second"):
        assert lineage(hub.client(), child)["baseModels"][0]["id"] == "alice/third"
    answer = hub.client().get("/api/models/alice/first/lineage")
    assert answer.status_code == 307
    assert answer.headers["location"] == "/api/models/alice/third/lineage"
    # Who takes an old id gets what is said of it.
    create(alice, "alice/first", "license: mit")
    assert lineage(hub.client(), "alice/third")["children"]["count"] == 2
    assert lineage(hub.client(), "alice/first")["children"]["count"] == 1


def test_counts_follow_visibility_and_deletion(family: HubUnderTest) -> None:
    bob = family.client(family.add_token("bob"))
    stranger = family.client()

    def count() -> tuple[int, int]:
        shown = lineage(stranger, "alice/Base")
        return shown["children"]["count"], shown["spaces"]["count"]

    assert count() == (3, 1)
    bob.put("/api/models/bob/hidden/settings", json={"private": False}).raise_for_status()
    bob.put("/api/spaces/bob/app/settings", json={"private": True}).raise_for_status()
    assert count() == (4, 0)
    bob.request("DELETE", "/api/repos/delete", json={"name": "tuned", "type": "model"}).raise_for_status()
    commit(bob, "bob/small", {"README.md": b"---\nbase_model: other/thing\n---\n"})
    assert count() == (2, 0)


def test_what_tags_say() -> None:
    assert bases_in(
        ["base_model:a/b", "base_model:merge:a/b", "base_model:c/d", "x", "base_model:odd:e/f"]
    ) == {
        "a/b": "merge",
        "c/d": None,
    }


def test_what_is_missing(hub: HubUnderTest) -> None:
    assert hub.client().get("/api/models/no/body/lineage").status_code == 401
    assert hub.client(hub.add_user("alice")).get("/api/models/no/body/lineage").status_code == 404
    assert hub.client().get("/api/kernels/no/body/lineage").status_code == 404
