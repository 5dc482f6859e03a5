"""What repositories can be filtered by, tasks with models to begin with, and metrics; nothing of private ones."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import insert, update

from api.commits_client import commit
from openhood.base.names import RepoType
from openhood.domain.discovery import tag_rows, vocabularies
from openhood.infra.db.discovery_tables import tags
from openhood.infra.db.tables import repos
from openhood.testing.hub import HubUnderTest

MODELS, DATASETS = "/api/models-tags-by-type", "/api/datasets-tags-by-type"


def make(client: httpx.Client, name: str, card: str, *, kind: str = "model", private: bool = False) -> None:
    """Create a repository of alice's with a card."""
    body: dict[str, object] = {"name": name, "type": kind, "private": private}
    if kind == "space":
        body["sdk"] = "static"
    assert client.post("/api/repos/create", json=body).status_code == 200
    commit(client, f"alice/{name}", {"README.md": f"---\n{card}\n---\n".encode()}, kind=f"{kind}s")


def by_id(answer: httpx.Response, group: str) -> dict[str, dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return {item["id"]: item for item in answer.json()[group]}


@pytest.fixture
def client(hub: HubUnderTest) -> httpx.Client:
    return hub.client(hub.add_user("alice"))


def test_models(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    client = hub.client(hub.add_user("alice"))
    first = (
        "license: mit\nlanguage: [en, lut]\npipeline_tag: text-generation\nlibrary_name: transformers\n"
        "datasets: [alice/words]\ntags: [rag, custom]\nbase_model: alice/base"
    )
    make(client, "a", first)
    make(client, "b", "license: mit\npipeline_tag: made-up-task\ntags: [custom]")
    make(client, "hidden", "license: acme-1\ntags: [secret]\nlanguage: fr", private=True)
    stranger = hub.client()
    answer = stranger.get(MODELS)
    assert list(answer.json()) == [
        "pipeline_tag",
        "library",
        "dataset",
        "language",
        "license",
        "region",
        "deploy",
        "bucket",
        "other",
    ]
    assert by_id(answer, "pipeline_tag")["text-generation"] == {
        "id": "text-generation",
        "label": "Text Generation",
        "type": "pipeline_tag",
        "subType": "nlp",
        "count": 1,
    }
    assert by_id(answer, "library")["transformers"] == {
        "id": "transformers",
        "label": "Transformers",
        "type": "library",
        "count": 1,
    }
    assert by_id(answer, "license")["license:mit"] == {
        "id": "license:mit",
        "label": "mit",
        "type": "license",
        "count": 2,
    }
    assert by_id(answer, "dataset") == {
        "dataset:alice/words": {
            "id": "dataset:alice/words",
            "label": "alice/words",
            "type": "dataset",
            "count": 1,
        }
    }
    assert by_id(answer, "region")["region:us"]["count"] == 2
    other = by_id(answer, "other")
    assert other["custom"] == {
        "id": "custom",
        "label": "custom",
        "type": "other",
        "clickable": True,
        "count": 2,
    }
    assert other["rag"]["count"] == 1
    assert answer.json()["bucket"] == []
    # What is offered is listed although nobody has it; of languages only those of two letters.
    language = by_id(answer, "language")
    assert language["en"]["count"] == 1
    assert language["lut"] == {"id": "lut", "label": "Lushootseed", "type": "language", "count": 1}
    assert language["de"] == {"id": "de", "label": "German", "type": "language", "count": 0}
    assert "aaa" not in language
    assert by_id(answer, "pipeline_tag")["text-to-image"]["count"] == 0
    assert by_id(answer, "library")["safetensors"]["count"] == 0
    # What is used comes first, and the most used before the rest.
    assert answer.json()["license"][0]["id"] == "license:mit"
    assert answer.json()["other"][0]["id"] == "custom"


@pytest.mark.parametrize("who", ["stranger", "alice", "root"])
def test_private_repositories_are_not_told_of(hub_on_both: HubUnderTest, who: str) -> None:
    hub = hub_on_both
    client = hub.client(hub.add_user("alice"))
    root = hub.client(hub.add_user("root", admin=True))
    card = "license: acme-1\ntags: [secret]\nlanguage: [fr, lut]\npipeline_tag: fill-mask\ndatasets: [alice/words]"
    make(client, "hidden", card, private=True)
    make(client, "hidden", "license: acme-1\ntags: [secret]", kind="dataset", private=True)
    asking = {"stranger": hub.client(), "alice": client, "root": root}[who]
    models, datasets = asking.get(MODELS), asking.get(DATASETS)
    for answer in (models, datasets):
        assert "secret" not in answer.text
        assert "acme-1" not in answer.text
        assert "alice/words" not in answer.text
        assert all(item["count"] == 0 for group in answer.json().values() for item in group)
    assert by_id(models, "language")["fr"]["count"] == 0
    assert "lut" not in by_id(models, "language")
    assert asking.get("/api/tasks").json()["fill-mask"]["widgetModels"] == []
    # Shown to all, its tags count; made private again, they do not.
    for private, count in ((False, 1), (True, 0)):
        assert client.put("/api/models/alice/hidden/settings", json={"private": private}).status_code == 200
        assert ("secret" in asking.get(MODELS).text) == (not private)
        assert by_id(asking.get(MODELS), "language")["fr"]["count"] == count
        assert len(asking.get("/api/tasks").json()["fill-mask"]["widgetModels"]) == count


def test_datasets(client: httpx.Client) -> None:
    card = (
        "license: cc-by-4.0\nlanguage: fr\ntask_categories: [text-classification, own-task]\n"
        "task_ids: [sentiment-classification]\nsize_categories: 10K<n<100K\nmultilinguality: [monolingual]\n"
        "annotations_creators: [found]\ntags: [en, custom]"
    )
    make(client, "words", card, kind="dataset")
    answer = client.get(DATASETS)
    expected = {
        ("task_categories", "task_categories:text-classification", "Text Classification"): {"subType": "nlp"},
        ("task_categories", "task_categories:own-task", "own-task"): {},
        ("task_ids", "task_ids:sentiment-classification", "Sentiment Classification"): {},
        ("size_categories", "size_categories:10K<n<100K", "10K - 100K"): {},
        ("language", "language:fr", "French"): {},
        ("license", "license:cc-by-4.0", "cc-by-4.0"): {},
        ("multilinguality", "multilinguality:monolingual", "monolingual"): {},
        ("annotations_creators", "annotations_creators:found", "found"): {},
        ("region", "region:us", "Region: US"): {},
        ("other", "en", "en"): {"clickable": True},
        ("other", "custom", "custom"): {"clickable": True},
    }
    for (group, name, label), more in expected.items():
        assert by_id(answer, group)[name] == {
            "id": name,
            "label": label,
            "type": group,
            "count": 1,
            **more,
        }
    assert by_id(answer, "library")["library:datasets"]["label"] == "Datasets"
    assert answer.json()["benchmark"] == []


def test_one_type(client: httpx.Client) -> None:
    make(client, "a", "license: mit\nbase_model: alice/base\narxiv: '2301.00001'")
    assert list(client.get(MODELS, params={"type": "license"}).json()) == ["license"]
    assert list(client.get(MODELS, params={"type": ["license", "library"]}).json()) == ["license", "library"]
    assert list(client.get(MODELS, params={"type": "license,region"}).json()) == ["license", "region"]
    # There are too many of these to list them without being asked.
    bases = by_id(client.get(MODELS, params={"type": "base_model"}), "base_model")
    assert bases["base_model:finetune:alice/base"]["count"] == 1
    assert "arxiv:2301.00001" in by_id(client.get(MODELS, params={"type": "arxiv"}), "arxiv")
    for url, allowed in ((MODELS, "pipeline_tag, library"), (DATASETS, "task_categories, task_ids")):
        for bad in ("nonsense", "trait", "license,nonsense", "'--"):
            answer = client.get(url, params={"type": bad})
            assert answer.status_code == 400
            assert f"'type' must be one of: {allowed}" in answer.json()["error"]
    assert client.get("/api/spaces-tags-by-type").status_code == 404


def test_long_lists_are_cut_and_say_so(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    most = vocabularies.MAX_TAGS
    rows = [
        {
            "type": "model",
            "name": f"dataset:a/d{number}",
            "key": f"dataset:a/d{number}",
            "category": "dataset",
            "n_public": number,
            "n_all": number,
        }
        for number in range(1, most + 2)
    ]
    with hub.sv.db.write() as tx:
        tx.execute(insert(tags), rows)
    answer = hub.client().get(MODELS)
    found = answer.json()["dataset"]
    assert [item["count"] for item in found] == list(range(most + 1, 1, -1))
    assert answer.headers["x-hf-warning"] == f"tags; Only the {most} most used tags are listed of: dataset."
    with hub.sv.db.write() as tx:
        tx.execute(update(tags).where(tags.c.n_public == 1).values(n_public=0))
    whole = hub.client().get(MODELS)
    assert len(whole.json()["dataset"]) == most
    assert "x-hf-warning" not in whole.headers


def test_tasks(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    client = hub.client(hub.add_user("alice"))
    for number in range(7):
        make(client, f"m{number}", "pipeline_tag: fill-mask")
    make(client, "old", "pipeline_tag: text2text-generation")
    make(client, "own", "pipeline_tag: made-up-task")
    # A tag that names a task does not make it the model's task.
    make(client, "tagged", "pipeline_tag: fill-mask\ntags: [translation]")
    with hub.sv.db.write() as tx:
        for number in range(7):
            tx.execute(update(repos).where(repos.c.name == f"m{number}").values(downloads=number + 1))
        tx.execute(update(repos).where(repos.c.name == "m6").values(is_disabled=True))
    answer = hub.client().get("/api/tasks")
    assert answer.status_code == 200
    found = answer.json()
    best = [f"alice/m{number}" for number in (5, 4, 3, 2, 1)]
    assert found["fill-mask"] == {
        "id": "fill-mask",
        "label": "Fill-Mask",
        "modality": "nlp",
        "modalityLabel": "Natural Language Processing",
        "subtasks": [
            {"type": "slot-filling", "name": "Slot Filling"},
            {"type": "masked-language-modeling", "name": "Masked Language Modeling"},
        ],
        "widgetModels": best,
        "models": [{"id": name} for name in best],
    }
    assert found["translation"]["models"] == []
    assert found["text2text-generation"]["widgetModels"] == ["alice/old"]
    assert "made-up-task" not in found
    assert "multiple-choice" not in found


def test_rare_and_unpopular_tasks(hub_on_both: HubUnderTest) -> None:
    """What the walk down the downloads does not meet is looked for: few by their tag, many by a walk of their own."""
    hub = hub_on_both
    client = hub.client(hub.add_user("alice"))
    for number in range(3):
        make(client, f"popular{number}", "pipeline_tag: fill-mask")
        make(client, f"rare{number}", "pipeline_tag: text-to-3d")
    make(client, "hidden", "pipeline_tag: text-to-3d", private=True)
    with hub.sv.db.write() as tx:
        for number in range(3):
            tx.execute(update(repos).where(repos.c.name == f"popular{number}").values(downloads=100))
            tx.execute(update(repos).where(repos.c.name == f"rare{number}").values(downloads=number))
        tx.execute(update(repos).where(repos.c.name == "hidden").values(downloads=50))
    expected = ["alice/rare2", "alice/rare1", "alice/rare0"]
    with hub.sv.db.read() as tx:
        tag = tag_rows.find_tag(tx, RepoType.MODEL, "text-to-3d")
        assert tag is not None
        assert (tag.count, tag.total) == (3, 4)
        few = tag_rows.list_tagged(tx, tag, limit=5, looked_at=100)
        many = tag_rows.list_popular(tx, RepoType.MODEL, limit=5, pipeline_tag="text-to-3d")
        assert [each.repo_id for each in few] == [each.repo_id for each in many] == expected
        assert tag_rows.list_tagged(tx, tag, limit=1, looked_at=100) == few[:1]
        for few_are in (0, 5_000):
            found = vocabularies.find_recommended(tx, looked_at=3, few=few_are)
            assert found["text-to-3d"] == expected
            assert sorted(found) == ["fill-mask", "text-to-3d"]


def test_metrics(client: httpx.Client, hub: HubUnderTest) -> None:
    assert client.get("/api/metrics").json() == []
    make(client, "wer", "sdk: static\ntags: [evaluate, metric]\ndescription: Word error rate.", kind="space")
    make(client, "cer", "sdk: static\ntags: [metric]", kind="space")
    make(client, "secret", "sdk: static\ntags: [metric]", kind="space", private=True)
    make(client, "demo", "sdk: static\ntags: [demo]", kind="space")
    with hub.sv.db.write() as tx:
        tx.execute(update(repos).where(repos.c.name == "wer").values(downloads=9))
    assert client.get("/api/metrics").json() == [
        {"id": "wer", "spaceId": "alice/wer", "description": "Word error rate."},
        {"id": "cer", "spaceId": "alice/cer"},
    ]
