"""Lists through every generation of huggingface_hub, the command line and ``@huggingface/hub``.

Every option that a client offers finds what it should among a few repositories of a namespace of their own.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import time
from pathlib import Path

import httpx
import pytest

from clients.conftest import ClientMaker
from clients.drivers import SCRIPTS, Client, Hub
from openhood.testing.venvs import client_modules

BERT = """---
license: mit
language: [fr, en]
library_name: transformers
pipeline_tag: fill-mask
tags: [tiny, "arxiv:1910.03771"]
datasets: [{ns}/words]
---
# Bert
"""
GGUF = """---
license: apache-2.0
base_model: {ns}/bert
base_model_relation: quantized
pipeline_tag: text-generation
---
# Llama
"""
PRIVATE = "---\nlicense: mit\n---\n"
WORDS = """---
license: cc-by-4.0
language: fr
task_categories: [text-classification]
task_ids: [sentiment-classification]
size_categories: [n<1K]
multilinguality: [monolingual]
language_creators: [found]
tags: [tiny]
---
# Words
"""
SPACE = """---
sdk: static
models: [{ns}/bert]
datasets: [{ns}/words]
---
"""


@pytest.fixture(scope="module")
def ns(hub: Hub) -> str:
    """An organization of alice's with three models, two datasets and two spaces; returns its name."""
    name = f"org{secrets.token_hex(4)}"
    alice = httpx.Client(base_url=hub.url, headers={"Authorization": f"Bearer {hub.tokens['alice']}"})
    admin = httpx.Client(base_url=hub.url, headers={"Authorization": f"Bearer {hub.tokens['root']}"})
    made = alice.post("/api/organizations/create", json={"name": name})
    assert made.status_code in (200, 201), made.text
    for repo, kind, card, files in (
        ("bert", "model", BERT, {"config.json": '{"model_type": "bert", "architectures": ["BertForMaskedLM"]}', "model.safetensors": None}),
        ("llama-GGUF", "model", GGUF, {"llama.Q4_K_M.gguf": None}),
        ("hidden", "model", PRIVATE, {}),
        ("words", "dataset", WORDS, {"train.csv": "a,b\n1,2\n"}),
        ("empty", "dataset", "---\n---\n", {}),
        ("show", "space", SPACE, {"index.html": "<p>hi"}),
        ("other", "space", "---\nsdk: docker\n---\n", {}),
    ):  # fmt: skip
        body = {"name": repo, "organization": name, "type": kind, "private": repo == "hidden"}
        if kind == "space":
            body["sdk"] = "docker" if repo == "other" else "static"
        assert alice.post("/api/repos/create", json=body).status_code == 200
        lines = [{"key": "header", "value": {"summary": "fill"}}]
        for path, text in {"README.md": card.replace("{ns}", name), **files}.items():
            if text is not None:
                lines.append({"key": "file", "value": {"path": path, "content": text, "encoding": "utf-8"}})
            else:
                lines.append(_small_weights(path))
        sent = alice.post(
            f"/api/{kind}s/{name}/{repo}/commit/main",
            content="\n".join(json.dumps(line) for line in lines),
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert sent.status_code == 200, sent.text
    gated = alice.put(f"/api/models/{name}/llama-GGUF/settings", json={"gated": "manual"})
    assert gated.status_code == 200, gated.text
    assert admin.get("/api/whoami-v2").json()["name"] == "root"
    _wait_for_weights(alice, name)
    return name


def _small_weights(path: str) -> dict[str, object]:
    import base64
    import struct

    if path.endswith(".safetensors"):
        head = json.dumps({"w": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}}).encode()
        data = struct.pack("<Q", len(head)) + head + bytes(12)
    else:
        key, arch = b"general.architecture", b"llama"
        tensor = struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, 32, 0, 0)
        pair = struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(arch)) + arch
        data = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + pair + tensor + bytes(128)
    content = base64.b64encode(data).decode()
    return {"key": "file", "value": {"path": path, "content": content, "encoding": "base64"}}


def _wait_for_weights(client: httpx.Client, ns: str) -> None:
    """Parameters are read by a job a moment after the commit."""
    for _ in range(300):
        info = client.get(f"/api/models/{ns}/bert", params={"expand": "safetensors"}).json()
        other = client.get(f"/api/models/{ns}/llama-GGUF", params={"expand": "gguf"}).json()
        if "safetensors" in info and "gguf" in other:
            return
        time.sleep(0.1)
    raise AssertionError("no job has read the weights")


@pytest.fixture
def stranger(make_client: ClientMaker, generation: str) -> Client:
    """Somebody without a token."""
    return make_client(generation)


def test_models(stranger: Client, alice: Client, ns: str) -> None:
    def ask(ns: str) -> dict:
        import inspect

        from huggingface_hub import HfApi

        api = HfApi()
        known = set(inspect.signature(api.list_models).parameters)

        def names(**wanted) -> object:
            missing = set(wanted) - known
            if missing:
                return sorted(missing)
            return sorted(each.id.partition("/")[2] for each in api.list_models(author=ns, **wanted))

        return {
            "all": names(), "tag": names(filter="tiny"), "tags": names(filter=["fr", "license:mit"]),
            "none": names(filter=["fr", "gguf"]), "library": names(filter="transformers"),
            "dataset": names(filter=f"dataset:{ns}/words"), "trained": names(trained_dataset=f"{ns}/words"),
            "base": names(filter=f"base_model:quantized:{ns}/bert"), "arxiv": names(filter="arxiv:1910.03771"),
            "search": names(search="LLAMA"), "part": names(search="ama-gg"), "words": names(search="ber"),
            "wild": names(search="%"), "pipeline": names(pipeline_tag="fill-mask"), "gated": names(gated=True),
            "open": names(gated=False), "few": names(num_parameters="max:10"),
            "many": names(num_parameters="min:11,max:1K"), "apps": names(apps=["llama.cpp"]),
            "app": names(apps="ollama"), "warm": names(inference="warm"),
            "provider": names(inference_provider="all"), "language": names(language="fr"),
            "old": names(library="transformers", task="fill-mask", tags="tiny"), "name": names(model_name="bert"),
        }  # fmt: skip

    seen = stranger.call(ask, ns=ns)
    expected = {
        "all": ["bert", "llama-GGUF"], "tag": ["bert"], "tags": ["bert"], "none": [], "library": ["bert"],
        "dataset": ["bert"], "trained": ["bert"], "base": ["llama-GGUF"], "arxiv": ["bert"],
        "search": ["llama-GGUF"], "part": ["llama-GGUF"], "words": ["bert"], "wild": [], "pipeline": ["bert"],
        "gated": ["llama-GGUF"], "open": ["bert"], "few": ["bert"], "many": ["llama-GGUF"],
        "apps": ["llama-GGUF"], "app": ["llama-GGUF"], "warm": [], "provider": [], "language": ["bert"],
        "old": ["bert"], "name": ["bert"],
    }  # fmt: skip
    # What a client does not offer, it names.
    offered = {key: value for key, value in seen.items() if not _is_missing(key, value)}
    assert offered == {key: expected[key] for key in offered}
    assert len(offered) > 15
    assert alice.call(ask, ns=ns)["all"] == ["bert", "hidden", "llama-GGUF"]


def _is_missing(key: str, value: object) -> bool:
    parameters = {"gated": "gated", "open": "gated", "few": "num_parameters", "many": "num_parameters",
                  "apps": "apps", "app": "apps", "warm": "inference", "provider": "inference_provider",
                  "language": "language", "name": "model_name"}  # fmt: skip
    return value == [parameters.get(key)] or (key == "old" and value == ["library", "tags", "task"])


def test_what_models_say(alice: Client, ns: str) -> None:
    def ask(ns: str) -> dict:
        from huggingface_hub import HfApi

        found = {
            each.id.partition("/")[2]: each
            for each in HfApi().list_models(author=ns, full=True, cardData=True, fetch_config=True)
        }
        bert = found["bert"]
        card = bert.card_data
        return {
            "tags": sorted(bert.tags), "pipeline": bert.pipeline_tag, "library": bert.library_name,
            "license": card.license, "datasets": card.datasets, "type": bert.config["model_type"],
            "files": sorted(each.rfilename for each in bert.siblings), "private": found["hidden"].private,
            "sha": len(bert.sha), "modified": bert.last_modified.isoformat() if bert.last_modified else None,
            "gated": found["llama-GGUF"].gated,
        }  # fmt: skip

    seen = alice.call(ask, ns=ns)
    assert {"transformers", "safetensors", "bert", "fill-mask", "tiny", "fr", "en", "license:mit",
            f"dataset:{ns}/words", "arxiv:1910.03771", "region:us"} <= set(seen["tags"])  # fmt: skip
    assert (seen["pipeline"], seen["library"], seen["license"]) == ("fill-mask", "transformers", "mit")
    assert (seen["datasets"], seen["type"]) == ([f"{ns}/words"], "bert")
    assert seen["files"] == [".gitattributes", "README.md", "config.json", "model.safetensors"]
    assert (seen["private"], seen["sha"], seen["gated"]) == (True, 40, "manual")
    assert seen["modified"] is not None


def test_order_and_pages(alice: Client, ns: str) -> None:
    def ask(ns: str) -> dict:
        from huggingface_hub import HfApi
        from huggingface_hub.utils import paginate

        api = HfApi()

        def order(sort, **more) -> list:
            return [each.id.partition("/")[2] for each in api.list_models(author=ns, sort=sort, **more)]

        url = f"{api.endpoint}/api/models"
        headers = api._build_hf_headers()
        paged = [
            each["id"].partition("/")[2]
            for each in paginate(url, params={"author": ns, "limit": 1, "sort": "createdAt"}, headers=headers)
        ]
        seen = {
            "created": order("createdAt") if "trendingScore" else None,
            "paged": paged,
            "one": order("lastModified", limit=1),
        }
        for sort in ("downloads", "likes", "created_at", "last_modified", "trending_score"):
            seen[sort] = sorted(order(sort))
        return seen

    seen = alice.call(ask, ns=ns)
    assert seen["paged"] == seen["created"] == ["hidden", "llama-GGUF", "bert"]
    assert len(seen["one"]) == 1
    for sort in ("downloads", "likes", "created_at", "last_modified", "trending_score"):
        assert seen[sort] == ["bert", "hidden", "llama-GGUF"]


def test_datasets_and_spaces(stranger: Client, ns: str, generation: str) -> None:
    def ask(ns: str) -> dict:
        import inspect

        from huggingface_hub import HfApi

        api = HfApi()
        known = set(inspect.signature(api.list_datasets).parameters)

        def data(**wanted) -> object:
            if set(wanted) - known:
                return "not offered"
            return sorted(each.id.partition("/")[2] for each in api.list_datasets(author=ns, **wanted))

        def spaces(**wanted) -> list:
            return sorted(each.id.partition("/")[2] for each in api.list_spaces(author=ns, **wanted))

        full = {each.id: each for each in api.list_datasets(author=ns, full=True)}
        return {
            "all": data(), "language": data(language="fr"), "task": data(task_categories="text-classification"),
            "id": data(task_ids="sentiment-classification"), "size": data(size_categories="n<1K"),
            "kind": data(multilinguality="monolingual"), "creators": data(language_creators="found"),
            "name": data(dataset_name="wor"), "search": data(search="WORDS"), "both": data(dataset_name="w", search="ords"),
            "filter": data(filter=["tiny", "license:cc-by-4.0"]), "format": data(filter="format:csv"),
            "benchmark": data(benchmark="official"), "gated": data(gated=True),
            "card": full[f"{ns}/words"].card_data["license"], "files": sorted(each.rfilename for each in full[f"{ns}/words"].siblings),
            "spaces": spaces(), "using": spaces(models=f"{ns}/bert"), "data": spaces(datasets=f"{ns}/words"),
            "linked": spaces(linked=True), "neither": spaces(models=f"{ns}/words"), "sdk": spaces(filter="docker"),
            "found": spaces(search="sho"),
        }  # fmt: skip

    seen = stranger.call(ask, ns=ns)
    expected = {
        "all": ["empty", "words"], "language": ["words"], "task": ["words"], "id": ["words"], "size": ["words"],
        "kind": ["words"], "creators": ["words"], "name": ["words"], "search": ["words"], "both": ["words"],
        "filter": ["words"], "format": ["words"], "benchmark": [], "gated": [], "card": "cc-by-4.0",
        "files": [".gitattributes", "README.md", "train.csv"], "spaces": ["other", "show"], "using": ["show"],
        "data": ["show"], "linked": ["show"], "neither": [], "sdk": ["other"], "found": ["show"],
    }  # fmt: skip
    if generation == "hub-0.23":
        # It writes the wrong name before these (``['fr']:fr``), and finds nothing anywhere.
        for key in ("language", "task", "id", "size", "kind", "creators"):
            del expected[key]
    assert {key: seen[key] for key in expected if seen[key] != "not offered"} == {
        key: value for key, value in expected.items() if seen[key] != "not offered"
    }


@pytest.mark.clients
def test_the_command_line(make_client: ClientMaker, ns: str) -> None:
    cli = make_client("hub-2.4", "alice")

    def ids(*arguments: str) -> list[str]:
        ran = cli.hf(*arguments, "--author", ns, "--format", "json")
        assert ran.code == 0, ran.text
        return sorted(each["id"].partition("/")[2] for each in json.loads(ran.out))

    assert ids("models", "ls") == ["bert", "hidden", "llama-GGUF"]
    assert ids("models", "ls", "--filter", "fr", "--filter", "license:mit") == ["bert"]
    assert ids("models", "ls", "--search", "gguf", "--gated") == ["llama-GGUF"]
    assert ids("models", "ls", "--num-parameters", "min:20") == ["llama-GGUF"]
    assert ids("models", "ls", "--apps", "llama.cpp") == ["llama-GGUF"]
    assert ids("models", "ls", "--pipeline-tag", "fill-mask", "--sort", "downloads") == ["bert"]
    assert ids("models", "ls", "--warm") == []
    assert ids("datasets", "ls") == ["empty", "words"]
    assert ids("spaces", "ls") == ["other", "show"]
    ran = cli.hf("models", "ls", "--author", ns, "--expand", "nonsense")
    assert ran.code != 0
    told = cli.hf("models", "ls", "--author", ns, "--num-parameters", "lots")
    assert told.code != 0
    assert "Traceback" not in told.text


@pytest.mark.clients
def test_javascript(hub: Hub, ns: str, tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    (tmp_path / "node_modules").symlink_to(client_modules() / "node_modules")
    script = tmp_path / "lists.mjs"
    script.write_bytes((SCRIPTS / "lists.mjs").read_bytes())
    node = Client(python=Path(sys.executable), home=tmp_path, hub=hub, token=None)
    ran = node.run("node", str(script), hub.url, hub.tokens["alice"], ns)
    assert ran.code == 0, ran.text
    seen = json.loads(ran.out)
    assert seen["models"] == ["bert", "hidden", "llama-GGUF"]
    assert seen["strangers"] == ["bert", "llama-GGUF"]
    assert (seen["task"], seen["tags"], seen["query"]) == (["bert"], ["bert"], ["llama-GGUF"])
    assert seen["limited"] == 2
    assert seen["more"] == {"author": ns, "config": "bert", "library": "transformers", "files": 4}
    assert (seen["datasets"], seen["dataTags"]) == (["empty", "words"], ["words"])
    assert (seen["spaces"], seen["sdks"]) == (["other", "show"], ["docker", "static"])
