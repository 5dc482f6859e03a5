"""What a repository says of itself and of others, as the real clients parse it: every ``expand``, cards, leaderboards.

The options are taken from each client's own lists, so that one that a new client brings is asked for too.
"""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import struct
import sys
import time
from pathlib import Path

import httpx
import pytest

from clients.conftest import ClientMaker
from clients.drivers import SCRIPTS, Client, Hub
from openhood.testing.venvs import client_modules

BASE = """---
license: mit
library_name: transformers
widget: [{text: "Paris is [MASK]."}]
model-index:
- name: base
  results:
  - task: {type: fill-mask}
    dataset: {type: words, name: Words}
    metrics: [{type: accuracy, value: 0.5}]
---
# Base
"""
RESULTS = """- dataset: {id: {ns}/bench, task_id: main}
  value: 20.9
  source: {url: "https://example.org/logs", name: Logs}
  notes: no-tools
"""
DATASET = """---
license: mit
paperswithcode_id: squad
---
# Bench

Hard questions.

@article{a, title={B}}
"""
USES = "---\nsdk: static\nmodels: [{ns}/base]\ndatasets: [{ns}/bench]\n---\n"


def _safetensors() -> bytes:
    head = json.dumps({"w": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}}).encode()
    return struct.pack("<Q", len(head)) + head + bytes(12)


def _gguf() -> bytes:
    key = b"general.architecture"
    pair = struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, 5) + b"llama"
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + pair
    return head + struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, 32, 0, 0) + bytes(128)


REPOS: tuple[tuple[str, str, dict[str, str | bytes]], ...] = (
    ("bench", "dataset", {"README.md": DATASET, "eval.yaml": "tasks: [{id: main}]", "a.csv": "a,b\n1,2\n"}),
    ("base", "model", {
        "README.md": BASE, "config.json": '{"model_type": "bert", "architectures": ["BertForMaskedLM"]}',
        "tokenizer_config.json": '{"mask_token": "[MASK]"}', "model.safetensors": _safetensors(), "m.gguf": _gguf(),
        ".eval_results/bench.yaml": RESULTS,
    }),
    ("tuned", "model", {
        "README.md": "---\nbase_model: {ns}/base\ndatasets: [{ns}/bench]\n---\n",
        ".eval_results/bench.yaml": "- dataset: {id: {ns}/bench, task_id: main}\n  value: 30\n",
    }),
    ("app", "space", {"README.md": USES, "index.html": "<p>hi"}),
)  # fmt: skip


@pytest.fixture(scope="module")
def ns(hub: Hub) -> str:
    """An organization with a benchmark, a model, one made from it, and a space that uses both; returns its name."""
    name = f"org{secrets.token_hex(4)}"
    alice = httpx.Client(base_url=hub.url, headers={"Authorization": f"Bearer {hub.tokens['alice']}"})
    made = alice.post("/api/organizations/create", json={"name": name})
    assert made.status_code in (200, 201), made.text
    for repo, kind, files in REPOS:
        more = {"sdk": "static"} if kind == "space" else {}
        body = {"name": repo, "organization": name, "type": kind, **more}
        assert alice.post("/api/repos/create", json=body).status_code == 200
        lines: list[object] = [{"key": "header", "value": {"summary": "fill"}}]
        for path, content in files.items():
            data = content if isinstance(content, bytes) else content.replace("{ns}", name).encode()
            value = {"path": path, "content": base64.b64encode(data).decode(), "encoding": "base64"}
            lines.append({"key": "file", "value": value})
        sent = alice.post(
            f"/api/{kind}s/{name}/{repo}/commit/main",
            content="\n".join(json.dumps(line) for line in lines),
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert sent.status_code == 200, sent.text
    end = time.monotonic() + 60
    while (
        "gguf" not in alice.get(f"/api/models/{name}/base", params={"expand": "gguf"}).json()
        or not alice.get(f"/api/datasets/{name}/bench", params={"expand": "mainSize"}).json()["mainSize"]
    ):
        assert time.monotonic() < end, "the jobs that read weights and sizes did not run"
        time.sleep(0.2)
    return name


@pytest.fixture
def stranger(make_client: ClientMaker, generation: str) -> Client:
    """Somebody who is not signed in, with each generation of the client."""
    return make_client(generation)


def test_every_option_of_every_client(stranger: Client, ns: str, generation: str) -> None:
    def ask(ns: str) -> dict:
        import json
        import typing

        from huggingface_hub import HfApi, hf_api

        def plain(value: object) -> object:
            return json.loads(json.dumps(value, default=lambda each: getattr(each, "__dict__", str(each))))

        api, failed, seen = HfApi(), {}, {}
        for kind, name in (("model", "base"), ("model", "tuned"), ("dataset", "bench"), ("space", "app")):
            options = getattr(hf_api, f"Expand{kind.capitalize()}Property_T", None)
            if options is None:
                return {"offers": False}
            keys = list(typing.get_args(options))
            info, repos = getattr(api, f"{kind}_info"), getattr(api, f"list_{kind}s")
            for key in keys:
                try:
                    assert info(f"{ns}/{name}", expand=[key]).id == f"{ns}/{name}"
                    assert f"{ns}/{name}" in [each.id for each in repos(author=ns, expand=[key])]
                except Exception as error:
                    failed[f"{kind} {key}"] = repr(error)
            one = info(f"{ns}/{name}", expand=keys)
            [listed] = [each for each in repos(author=ns, expand=keys) if each.id == one.id]
            shown = plain(vars(one))
            seen[name] = {
                **shown,
                "known": keys,
                "differ": [key for key in shown if shown[key] != plain(vars(listed))[key]],
            }
        return {"offers": True, "failed": failed, **seen}

    seen = stranger.call(ask, ns=ns)
    if not seen["offers"]:
        assert generation == "hub-0.23"
        return
    assert seen["failed"] == {}
    base, tuned, bench, app = (seen[name] for name in ("base", "tuned", "bench", "app"))
    for each in (base, tuned, bench, app):
        assert each["differ"] == []
    expected = {
        "author": ns, "pipeline_tag": "fill-mask", "library_name": "transformers", "mask_token": "[MASK]",
        "gated": False, "private": False, "disabled": False, "likes": 0, "inference": None, "resource_group": None,
        "safetensors": {"parameters": {"F16": 6}, "total": 6},
        "transformers_info": {
            "auto_model": "AutoModelForMaskedLM", "custom_class": None, "pipeline_tag": "fill-mask",
            "processor": "AutoTokenizer",
        },
        "widget_data": [{"text": "Paris is [MASK]."}],
        "spaces": [f"{ns}/app"], "base_models": [], "children_model_count": 1,
    }  # fmt: skip
    attributes = {"children_model_count": "childrenModelCount", "base_models": "baseModels"}
    for attribute, value in expected.items():
        # What an older client has no attribute for, it has no option for either.
        key = attributes.get(attribute, attribute)
        if attribute in base or key in base["known"]:
            assert base.get(attribute, base.get(key)) == value, attribute
    assert base["gguf"]["architecture"] == "llama"
    assert base["config"]["model_type"] == "bert"
    assert base["card_data"]["license"] == "mit"
    # A job sums it up some time later.
    assert base["used_storage" if "used_storage" in base else "usedStorage"] >= 0
    assert sorted(each["rfilename"] for each in base["siblings"])[0] == ".eval_results/bench.yaml"
    if "evalResults" in base["known"]:
        [result] = base["eval_results"]
        assert (result["dataset_id"], result["value"], result["source_name"]) == (f"{ns}/bench", 20.9, "Logs")
    if "baseModels" in base["known"]:
        assert tuned.get("base_models", tuned.get("baseModels")) == [f"{ns}/base"]
    assert (bench["paperswithcode_id"], bench["citation"]) == ("squad", "@article{a, title={B}}")
    assert "Hard questions." in bench["description"]
    if "mainSize" in bench["known"]:
        assert bench.get("main_size", bench.get("mainSize")) > 0
    assert (app["sdk"], app["models"], app["datasets"]) == ("static", [f"{ns}/base"], [f"{ns}/bench"])
    assert app["runtime"]["stage"] == "STOPPED"


def test_leaderboard(make_client: ClientMaker, ns: str) -> None:
    def ask(ns: str) -> dict:
        from huggingface_hub import HfApi
        from kit import failure

        api = HfApi()

        def board(**more) -> list:
            return [
                [each.rank, each.model_id, each.value, each.filename, each.verified, each.notes, each.source,
                 type(each.author).__name__, each.author.name]
                for each in api.get_dataset_leaderboard(f"{ns}/bench", **more)
            ]  # fmt: skip

        return {"roots": board(), "same": board(base_model_only=True), "all": board(base_model_only=False),
                "none": failure(lambda: api.get_dataset_leaderboard(f"{ns}/none")),
                "results": [each.value for each in api.model_info(f"{ns}/base", expand=["evalResults"]).eval_results]}  # fmt: skip

    client = make_client("hub-2.4", "alice")
    seen = client.call(ask, ns=ns)
    source = {"url": "https://example.org/logs", "name": "Logs", "isExternal": True}
    file = ".eval_results/bench.yaml"
    root = [1, f"{ns}/base", 20.9, file, False, "no-tools", source, "Organization", ns]
    assert seen["roots"] == seen["same"] == [root]
    assert seen["all"] == [
        [1, f"{ns}/tuned", 30, file, False, None, None, "Organization", ns],
        [2, *root[1:]],
    ]
    assert seen["none"]["status"] == 404
    assert seen["results"] == [20.9]
    ran = client.hf("datasets", "leaderboard", f"{ns}/bench", "--format", "json")
    assert ran.code == 0, ran.text
    assert [(each["rank"], each["model_id"]) for each in json.loads(ran.out)] == [(1, f"{ns}/base")]


def test_cards_go_up_and_come_back(make_client: ClientMaker, hub: Hub) -> None:
    """Older clients ask huggingface.co whether a card is valid, wherever they are: see the next test."""

    def story(model: str, dataset: str) -> dict:
        from huggingface_hub import (
            DatasetCard,
            DatasetCardData,
            EvalResult,
            HfApi,
            ModelCard,
            ModelCardData,
            metadata_load,
            metadata_update,
        )
        from kit import failure

        api = HfApi()
        api.create_repo(model)
        api.create_repo(dataset, repo_type="dataset")
        result = EvalResult(
            task_type="fill-mask",
            dataset_type="words",
            dataset_name="Words",
            metric_type="accuracy",
            metric_value=0.5,
        )
        data = ModelCardData(
            language="en",
            license="mit",
            library_name="keras",
            tags=["a"],
            model_name="m",
            eval_results=[result],
        )
        card = ModelCard(f"---\n{data.to_yaml()}\n---\n\n# A card\n\nWords.\n")
        card.validate()
        card.push_to_hub(model)
        again = ModelCard.load(model)
        metadata_update(model, {"tags": ["a", "b"]}, overwrite=True)
        other = EvalResult(
            task_type="fill-mask",
            dataset_type="other",
            dataset_name="Other",
            metric_type="f1",
            metric_value=1,
        )
        more = ModelCardData(model_name="m", eval_results=[other])
        metadata_update(model, {"model-index": more.to_dict()["model-index"]})
        updated = ModelCard.load(model)
        info = api.model_info(model)
        DatasetCard(
            f"---\n{DatasetCardData(license='mit', task_ids=['sentiment-classification']).to_yaml()}\n---\n# D\n"
        ).push_to_hub(dataset, repo_type="dataset")
        known = DatasetCard.load(dataset)
        bad = failure(lambda: ModelCard("---\nlicense: nonsense-license\n---\n").validate())
        worse = failure(lambda: ModelCard("---\nlicense: nonsense-license\n---\n").push_to_hub(model))
        return {
            "same": again.content == str(card), "text": again.text.strip(), "result": again.data.eval_results[0].metric_value,
            "tags": updated.data.tags, "names": sorted(each.dataset_name for each in updated.data.eval_results),
            "info": sorted(each.dataset_name for each in info.card_data.eval_results), "library": info.library_name,
            "index": [each["task"]["type"] for each in info.model_index[0]["results"]], "shown": sorted(set(info.tags) & {"a", "b", "en", "license:mit", "model-index"}),
            "file": metadata_load(api.hf_hub_download(model, "README.md"))["license"],
            "dataset": [known.data.license, known.data.task_ids, api.dataset_info(dataset).card_data.license],
            "bad": bad, "worse": worse,
        }  # fmt: skip

    seen = make_client("hub-2.4", "alice").call(story, model=hub.new_id(), dataset=hub.new_id())
    assert seen["same"] is True
    assert (seen["text"], seen["result"]) == ("# A card\n\nWords.", 0.5)
    assert seen["tags"] == ["a", "b"]
    assert seen["names"] == seen["info"] == ["Other", "Words"]
    assert (seen["library"], seen["index"]) == ("keras", ["fill-mask", "fill-mask"])
    assert seen["shown"] == ["a", "b", "en", "license:mit", "model-index"]
    assert (seen["file"], seen["dataset"]) == ("mit", ["mit", ["sentiment-classification"], "mit"])
    for refused in (seen["bad"], seen["worse"]):
        assert "license" in refused["text"]
        assert refused["kinds"]


def test_cards_are_read_by_every_client(alice: Client, hub: Hub) -> None:
    def story(model: str) -> dict:
        from huggingface_hub import EvalResult, HfApi, ModelCard, ModelCardData

        api = HfApi()
        api.create_repo(model)
        result = EvalResult(
            task_type="fill-mask",
            dataset_type="words",
            dataset_name="Words",
            metric_type="accuracy",
            metric_value=0.5,
        )
        data = ModelCardData(language="en", license="mit", model_name="m", eval_results=[result])
        card = ModelCard(f"---\n{data.to_yaml()}\n---\n\n# A card\n\nWords.\n")
        api.upload_file(path_or_fileobj=str(card).encode(), path_in_repo="README.md", repo_id=model)
        again, info = ModelCard.load(model), api.model_info(model)
        [listed] = api.list_models(author=model.split("/")[0], search=model.split("/")[1], cardData=True)
        return {
            "same": again.content == str(card), "license": again.data.license,
            "results": [each.data.eval_results[0].metric_value if hasattr(each, "data") else each.card_data.eval_results[0].metric_value
                        for each in (again, info, listed)],
        }  # fmt: skip

    assert alice.call(story, model=hub.new_id()) == {"same": True, "license": "mit", "results": [0.5] * 3}


@pytest.mark.clients
def test_transformers_choose_by_what_the_hub_says(make_client: ClientMaker, hub: Hub) -> None:
    def story(repo: str) -> dict:
        from huggingface_hub import HfApi
        from kit import failure
        from tokenizers import Tokenizer, models, pre_tokenizers
        from transformers import (
            AutoModelForMaskedLM,
            BertConfig,
            BertForMaskedLM,
            PreTrainedTokenizerFast,
            pipeline,
        )

        words = ("[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", "the", "hub", "is", "open")
        tokenizer = Tokenizer(
            models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]")
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        fast = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", mask_token="[MASK]"
        )
        config = BertConfig(
            vocab_size=len(words),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=64,
        )
        BertForMaskedLM(config).push_to_hub(repo)
        fast.push_to_hub(repo)
        # No task is named: the hub says that it is to fill masks.
        chosen = pipeline(model=repo)
        info = HfApi().model_info(repo)
        automatic = getattr(__import__("transformers"), info.transformers_info.auto_model)
        HfApi().create_repo(repo + "-empty")
        return {
            "task": chosen.task, "filled": len(chosen("the hub is [MASK]", top_k=2)), "pipeline": info.pipeline_tag,
            "auto": automatic is AutoModelForMaskedLM, "loaded": type(automatic.from_pretrained(repo)).__name__,
            "mask": HfApi().model_info(repo, expand=["mask_token"]).mask_token, "empty": failure(lambda: pipeline(model=repo + "-empty")),
        }  # fmt: skip

    seen = make_client("tf", "alice").call(story, repo=hub.new_id())
    assert (seen["task"], seen["pipeline"], seen["filled"]) == ("fill-mask", "fill-mask", 2)
    assert (seen["auto"], seen["loaded"], seen["mask"]) == (True, "BertForMaskedLM", "[MASK]")
    assert seen["empty"]["kinds"]
    assert seen["empty"]["status"] in (None, 404)


@pytest.mark.clients
def test_javascript_with_every_field(hub: Hub, ns: str, tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    (tmp_path / "node_modules").symlink_to(client_modules() / "node_modules")
    script = tmp_path / "fields.mjs"
    script.write_bytes((SCRIPTS / "fields.mjs").read_bytes())
    node = Client(python=Path(sys.executable), home=tmp_path, hub=hub, token=None)
    ran = node.run("node", str(script), hub.url, ns)
    assert ran.code == 0, ran.text
    seen = json.loads(ran.out)
    base = seen["models"][f"{ns}/base"]
    assert base["safetensors"] == base["one"]["safetensors"]
    assert base["safetensors"]["total"] == 6
    assert (base["spaces"], base["transformersInfo"]["auto_model"]) == ([f"{ns}/app"], "AutoModelForMaskedLM")
    assert base["model-index"][0]["name"] == "base"
    assert base["one"]["library_name"] == "transformers"
    assert seen["datasets"][f"{ns}/bench"]["citation"] == "@article{a, title={B}}"
    assert seen["spaces"][f"{ns}/app"]["models"] == [f"{ns}/base"]
    # Every key that the package offers was asked for, and each answer holds what is known.
    for kind, missing in seen["missing"].items():
        assert missing == {"models": [], "datasets": [], "spaces": []}[kind], kind
