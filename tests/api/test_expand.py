"""What ``expand`` adds to an info and to lists, key by key, and that no key costs more queries on a longer page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from api.commits_client import commit
from api.desk import Desk, file, lfs_file
from api.test_info import EXPANDS
from api.test_weights import LLAMA, gguf, safetensors
from openhood.testing.hub import HubUnderTest

LINKED = "expand=baseModels&expand=childrenModelCount&expand=spaces"
EVALUATION = b"""- dataset: {id: acme/bench, task_id: default, revision: abc}
  value: 20.9
  source: {url: "https://example.org/logs", name: Logs}
  notes: no-tools
"""


def create(client: httpx.Client, name: str, **body: object) -> None:
    client.post("/api/repos/create", json={"name": name, **body}).raise_for_status()


def expand(client: httpx.Client, path: str, *keys: str) -> dict[str, object]:
    answer = client.get(f"/api/{path}", params=[("expand", key) for key in keys])
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert isinstance(shown, dict)
    return {key: value for key, value in shown.items() if key not in ("_id", "id")}


@contextmanager
def counted_queries() -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_c: object, _u: object, statement: str, _p: object, _x: object, _m: object) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_what_a_model_says_of_itself(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    config = {"architectures": ["BertForMaskedLM"], "model_type": "bert"}
    weights = safetensors({"a": ("F16", [2, 3]), "b": ("F32", [4])})
    old = desk.done(
        file("config.json", json.dumps(config).encode()),
        file("tokenizer_config.json", b'{"mask_token": "[MASK]"}'),
        file("README.md", b'---\nwidget: [{text: "Paris is [MASK]."}]\nmodel-index: [{name: x, results: []}]\n---\n'),
        file(".eval_results/bench.yaml", EVALUATION),
        file(".eval_results/broken.yaml", b"- value: 1\n"),
        lfs_file("model.safetensors", desk.add_lfs(weights)),
    )  # fmt: skip
    hub.run_jobs()
    keys = (
        "transformersInfo",
        "mask_token",
        "widgetData",
        "model-index",
        "evalResults",
        "safetensors",
        "gguf",
    )
    shown = expand(desk.client, "models/alice/m", *keys)
    assert shown["transformersInfo"] == {
        "auto_model": "AutoModelForMaskedLM",
        "pipeline_tag": "fill-mask",
        "processor": "AutoTokenizer",
    }
    assert shown["mask_token"] == "[MASK]"
    assert shown["widgetData"] == [{"text": "Paris is [MASK]."}]
    assert shown["model-index"] == [{"name": "x", "results": []}]
    stated, broken = shown["evalResults"]  # type: ignore[misc]  # JSON
    assert stated == {
        "filename": ".eval_results/bench.yaml",
        "verified": False,
        "data": {
            "dataset": {"id": "acme/bench", "task_id": "default", "revision": "abc"},
            "value": 20.9,
            "source": {"url": "https://example.org/logs", "name": "Logs"},
            "notes": "no-tools",
        },
    }
    assert broken["filename"] == ".eval_results/broken.yaml"
    assert broken["error"]
    assert shown["safetensors"]["parameters"] == {"F16": 6, "F32": 4}  # type: ignore[index]  # JSON
    assert shown["safetensors"]["total"] == 10  # type: ignore[index]  # JSON
    assert "gguf" not in shown
    [listed] = desk.client.get("/api/models", params=[("expand", key) for key in keys]).json()
    assert {key: value for key, value in listed.items() if key in keys} == shown

    # What only main is known for is not told of another commit; what a commit says is.
    desk.done(file("README.md", b"# New\n"), file("model.gguf", b"no weights"))
    hub.run_jobs()
    before = expand(desk.client, f"models/alice/m/revision/{old}", *keys)
    assert before == {key: value for key, value in shown.items() if key != "safetensors"}
    now = expand(desk.client, "models/alice/m", *keys)
    assert "model-index" not in now
    assert now["safetensors"] == shown["safetensors"]


def test_what_a_gguf_says(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    desk.done(lfs_file("m.gguf", desk.add_lfs(gguf(32, **LLAMA))))
    hub.run_jobs()
    said = expand(desk.client, "models/alice/m", "gguf", "safetensors")
    assert said.keys() == {"gguf"}
    assert said["gguf"]["architecture"] == "llama"  # type: ignore[index]  # JSON
    assert said["gguf"]["total"] == 32  # type: ignore[index]  # JSON


def test_what_nothing_is_known_of_is_left_out_or_says_so(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    desk.done(file("a.txt", b"a"))
    every = expand(desk.client, "models/alice/m", *EXPANDS["models"].split())
    for key in ("safetensors", "gguf", "evalResults", "mask_token", "inference", "resourceGroup", "config", "model-index"):  # fmt: skip
        assert key not in every
    assert every["inferenceProviderMapping"] == {}
    assert every["spaces"] == every["baseModels"] == []
    assert every["childrenModelCount"] == 0
    assert every["securityRepoStatus"] == {"scansDone": False, "filesWithIssues": []}
    plain = desk.client.get("/api/models/alice/m", params={"securityStatus": "true"}).json()
    assert plain["securityRepoStatus"] == {"scansDone": False, "filesWithIssues": []}
    assert plain["spaces"] == []


def test_datasets_and_spaces(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    create(client, "d", type="dataset")
    create(client, "s", type="space", sdk="static")
    card = b"---\npaperswithcode_id: squad\n---\n# Squad\n\nQuestions.\n\n```\n@article{a, title={B}}\n```\n"
    commit(client, "alice/d", {"README.md": card, "data.csv": b"a,b\n1,2\n"}, kind="datasets")
    commit(client, "alice/s", {"README.md": b"---\nsdk: static\nmodels: [alice/m]\ndatasets: [alice/d]\n---\n"}, kind="spaces")  # fmt: skip
    hub.run_jobs()
    dataset = expand(client, "datasets/alice/d", "description", "citation", "paperswithcode_id", "mainSize")
    assert "Questions." in str(dataset["description"])
    assert dataset["citation"] == "@article{a, title={B}}"
    assert dataset["paperswithcode_id"] == "squad"
    sizes = [item["size"] for item in client.get("/api/datasets/alice/d?blobs=true").json()["siblings"]]
    assert dataset["mainSize"] == sum(sizes) > 0
    space = expand(client, "spaces/alice/s", "models", "datasets", "runtime", "subdomain")
    assert (space["models"], space["datasets"]) == (["alice/m"], ["alice/d"])
    assert space["runtime"]["stage"] == "STOPPED"  # type: ignore[index]  # JSON


def test_links_to_others(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    client = hub.client(hub.add_user("alice"))
    bob = hub.client(hub.add_user("bob"))
    for name in ("base", "old"):
        create(client, name)
    create(client, "tuned")
    commit(client, "alice/tuned", {"README.md": b"---\nbase_model: [Alice/BASE, other/where]\n---\n"})
    for number, name in enumerate(("app", "dull", "secret")):
        create(bob, name, type="space", sdk="static", private=name == "secret")
        card = b"---\nsdk: static\nmodels: [alice/Base, alice/old]\n---\n"
        commit(bob, f"bob/{name}", {"README.md": card, "n.txt": str(number).encode()}, kind="spaces")
    create(bob, "mine", private=True)
    commit(bob, "bob/mine", {"README.md": b"---\nbase_model: alice/base\n---\n"})
    client.post("/api/repos/move", json={"fromRepo": "alice/old", "toRepo": "alice/new", "type": "model"}).raise_for_status()  # fmt: skip
    keys = ("baseModels", "childrenModelCount", "spaces")
    stranger = hub.client()
    base = expand(stranger, "models/alice/base", *keys)
    assert base["childrenModelCount"] == 1
    assert sorted(base["spaces"]) == ["bob/app", "bob/dull"]  # type: ignore[call-overload]  # JSON
    # Who may see the private space sees it; the number is everybody's.
    own = expand(bob, "models/alice/base", *keys)
    assert own["childrenModelCount"] == 1
    assert sorted(own["spaces"]) == ["bob/app", "bob/dull", "bob/secret"]  # type: ignore[call-overload]  # JSON
    # What it was called counts as well.
    assert sorted(expand(stranger, "models/alice/new", "spaces")["spaces"]) == ["bob/app", "bob/dull"]  # type: ignore[call-overload]  # JSON
    # An id is told as it is today where it means something here, and as it was written where it does not.
    assert expand(stranger, "models/alice/tuned", "baseModels") == {
        "baseModels": ["alice/base", "other/where"]
    }
    assert "spaces" in stranger.get("/api/models/alice/base").json()
    listed = {item["id"]: item for item in stranger.get(f"/api/models?{LINKED}").json()}
    for name in ("alice/base", "alice/new", "alice/tuned"):
        one = stranger.get(f"/api/models/{name}?{LINKED}").json()
        assert {key: one[key] for key in keys} == {key: listed[name][key] for key in keys}


def test_base_models_of_a_revision_are_that_commit_s(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    create(client, "m")
    old = commit(client, "alice/m", {"README.md": b"---\nbase_model: a/one\n---\n"})
    commit(client, "alice/m", {"README.md": b"---\nbase_model: a/two\n---\n"})
    assert expand(client, "models/alice/m", "baseModels") == {"baseModels": ["a/two"]}
    assert expand(client, f"models/alice/m/revision/{old}", "baseModels") == {"baseModels": ["a/one"]}


def test_a_longer_page_takes_no_more_queries(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    for number in range(6):
        create(client, f"m{number}")
        commit(
            client,
            f"alice/m{number}",
            {"README.md": f"---\nbase_model: alice/m{(number + 1) % 6}\n---\n".encode()},
        )
        create(client, f"s{number}", type="space", sdk="static")
        card = f"---\nsdk: static\nmodels: [alice/m{number}]\n---\n".encode()
        commit(client, f"alice/s{number}", {"README.md": card}, kind="spaces")
    stranger = hub.client()
    used = []
    for limit in (1, 5):
        with counted_queries() as seen:
            answer = stranger.get(f"/api/models?{LINKED}&limit={limit}")
        assert [len(item["spaces"]) for item in answer.json()] == [1] * limit
        used.append(len(seen))
    assert used[0] == used[1] > 0


@pytest.mark.parametrize("kind", ["models", "datasets", "spaces"])
def test_an_unknown_key_is_named_with_the_allowed_ones(hub: HubUnderTest, kind: str) -> None:
    for path in (f"/api/{kind}", f"/api/{kind}/alice/m"):
        answer = hub.client().get(path, params={"expand": "nonsense"})
        assert answer.status_code == 400
        for key in EXPANDS[kind].split():
            assert key in answer.json()["error"]
