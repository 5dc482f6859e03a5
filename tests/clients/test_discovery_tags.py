"""Tags by type, recommended models and metrics through every generation of huggingface_hub and the Hub's own calls."""

from __future__ import annotations

import json
import secrets

import httpx
import pytest

from clients.conftest import ClientMaker
from clients.drivers import Hub

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def names(hub: Hub) -> dict[str, str]:
    """Repositories of alice's with tags that nobody else has."""
    mark = secrets.token_hex(4)
    client = httpx.Client(base_url=hub.url, headers={"Authorization": f"Bearer {hub.tokens['alice']}"})
    cards = {
        "model": f"license: mit\nlanguage: lut\npipeline_tag: robotics\ndatasets: [alice/d{mark}]\ntags: [t{mark}]",
        "dataset": f"license: mit\ntask_categories: [robotics]\nsize_categories: n<1K\ntags: [t{mark}]",
        "space": "sdk: static\ntags: [metric]\ndescription: Counts.",
    }
    for kind, card in cards.items():
        name = f"{kind[0]}{mark}"
        body = {"name": name, "type": kind, **({"sdk": "static"} if kind == "space" else {})}
        client.post("/api/repos/create", json=body).raise_for_status()
        lines = [
            {"key": "header", "value": {"summary": "fill"}},
            {
                "key": "file",
                "value": {"path": "README.md", "content": f"---\n{card}\n---\n", "encoding": "utf-8"},
            },
        ]
        client.post(
            f"/api/{kind}s/alice/{name}/commit/main",
            content="\n".join(json.dumps(line) for line in lines),
            headers={"Content-Type": "application/x-ndjson"},
        ).raise_for_status()
    return {"mark": mark, "model": f"alice/m{mark}", "space": f"alice/s{mark}"}


def test_tags_by_type(make_client: ClientMaker, generation: str, names: dict[str, str]) -> None:
    def ask(mark: str) -> dict:
        from huggingface_hub import HfApi

        models, datasets = HfApi().get_model_tags(), HfApi().get_dataset_tags()

        def find(tags: dict, kind: str, name: str) -> dict:
            return next(item for item in tags[kind] if item["id"] == name)

        return {
            "kinds": [sorted(models), sorted(datasets)],
            "whole": all(
                {"id", "label", "type"} <= set(item) and item["type"] == kind
                for tags in (models, datasets)
                for kind, items in tags.items()
                for item in items
            ),
            "task": find(models, "pipeline_tag", "robotics"),
            "language": find(models, "language", "lut")["label"],
            "dataset": find(models, "dataset", f"dataset:alice/d{mark}")["label"],
            "other": [find(tags, "other", f"t{mark}")["count"] for tags in (models, datasets)],
            "size": find(datasets, "size_categories", "size_categories:n<1K")["label"],
        }

    seen = make_client(generation).call(ask, mark=names["mark"])
    assert {"pipeline_tag", "library", "dataset", "language", "license", "other", "region"} <= set(
        seen["kinds"][0]
    )
    assert {"task_categories", "task_ids", "size_categories", "language", "license"} <= set(seen["kinds"][1])
    assert seen["whole"] is True
    assert seen["task"] == {
        "id": "robotics",
        "label": "Robotics",
        "type": "pipeline_tag",
        "subType": "rl",
        "count": 1,
    }
    assert seen["language"] == "Lushootseed"
    assert seen["dataset"] == f"alice/d{names['mark']}"
    assert seen["other"] == [1, 1]
    assert seen["size"] == "< 1K"


def test_recommended_models(make_client: ClientMaker, generation: str, names: dict[str, str]) -> None:
    def ask() -> dict:
        try:
            from huggingface_hub.inference._providers.hf_inference import _fetch_recommended_models
        except ImportError:
            from huggingface_hub.inference._common import _fetch_recommended_models
        return _fetch_recommended_models()

    found = make_client(generation).call(ask)
    assert found["robotics"] == names["model"]
    assert found["keypoint-detection"] is None
    assert len(found) > 40


def test_metrics(make_client: ClientMaker, names: dict[str, str]) -> None:
    """Only the oldest generation still asks."""

    def ask() -> list:
        from huggingface_hub import HfApi

        return [[metric.id, metric.space_id, metric.description] for metric in HfApi().list_metrics()]

    space = names["space"]
    assert [space.partition("/")[2], space, "Counts."] in make_client("hub-0.23").call(ask)
