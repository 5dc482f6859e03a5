"""``transformers`` 5: a tiny Llama made here goes up, and the same numbers come back."""

from __future__ import annotations

import pytest

from clients.conftest import ClientMaker
from clients.drivers import Client, Hub

pytestmark = pytest.mark.clients


@pytest.fixture
def trainer(make_client: ClientMaker) -> Client:
    """Alice with transformers."""
    return make_client("tf", "alice")


def test_a_tiny_llama(trainer: Client, make_client: ClientMaker, hub: Hub) -> None:
    def push(repo: str, other: str, home: str) -> dict:
        import json
        from pathlib import Path

        import torch
        from huggingface_hub import HfApi
        from tokenizers import Tokenizer, models, pre_tokenizers
        from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

        words = ("[UNK]", "<s>", "</s>", "the", "hub", "is", "open", "and", "small")
        tokenizer = Tokenizer(
            models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]")
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        fast = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, unk_token="[UNK]", bos_token="<s>", eos_token="</s>"
        )
        torch.manual_seed(7)
        config = LlamaConfig(vocab_size=len(words), hidden_size=64, intermediate_size=128, num_hidden_layers=4,
                             num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64)  # fmt: skip
        model = LlamaForCausalLM(config).eval()
        model.push_to_hub(repo, commit_message="The model")
        fast.push_to_hub(repo)
        model.push_to_hub(other, max_shard_size="200KB", private=True)
        fast.push_to_hub(other, create_pr=True)
        with torch.no_grad():
            logits = model(**fast("the hub is open", return_tensors="pt")).logits
        api = HfApi()
        index = json.loads(Path(api.hf_hub_download(other, "model.safetensors.index.json")).read_text())
        return {"logits": logits.flatten().tolist(), "files": sorted(api.list_repo_files(repo)),
                "other": sorted(api.list_repo_files(other)), "shards": len(set(index["weight_map"].values())),
                "pr": sorted(api.list_repo_files(other, revision="refs/pr/1")), "private": api.model_info(other).private,
                "parameters": sum(each.numel() for each in model.parameters()), "ids": fast("the hub is open")["input_ids"]}  # fmt: skip

    def pull(repo: str, tokenizer: str, revision: str) -> dict:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, pipeline

        model = AutoModelForCausalLM.from_pretrained(repo).eval()
        fast = AutoTokenizer.from_pretrained(tokenizer, revision=revision)
        with torch.no_grad():
            logits = model(**fast("the hub is open", return_tensors="pt")).logits
        said = pipeline("text-generation", model=model, tokenizer=fast)(
            "the hub", max_new_tokens=3, do_sample=False
        )
        return {"logits": logits.flatten().tolist(), "ids": fast("the hub is open")["input_ids"],
                "type": AutoConfig.from_pretrained(repo).model_type, "said": said[0]["generated_text"]}  # fmt: skip

    repo, other = hub.new_id("acme"), hub.new_id()
    pushed = trainer.call(push, repo=repo, other=other, home=str(trainer.home))
    assert {"config.json", "model.safetensors", "generation_config.json", "tokenizer.json"} <= set(
        pushed["files"]
    )
    assert pushed["shards"] > 2
    assert f"model-00001-of-{pushed['shards']:05}.safetensors" in pushed["other"]
    assert "tokenizer.json" not in pushed["other"]
    assert "tokenizer.json" in pushed["pr"]
    assert pushed["private"] is True

    one = make_client("tf").call(pull, repo=repo, tokenizer=repo, revision="main")
    two = make_client("tf", "alice").call(pull, repo=other, tokenizer=other, revision="refs/pr/1")
    assert one["logits"] == two["logits"] == pushed["logits"]
    assert one["ids"] == two["ids"] == pushed["ids"]
    assert one["type"] == "llama"
    assert one["said"] == two["said"]
    assert one["said"].startswith("the hub")


def test_what_the_hub_knows_about_it(trainer: Client, hub: Hub) -> None:
    def push(repo: str) -> dict:
        import torch
        from huggingface_hub import HfApi, get_safetensors_metadata, parse_safetensors_file_metadata
        from transformers import BertConfig, BertModel

        torch.manual_seed(1)
        model = BertModel(BertConfig(vocab_size=50, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
                                     intermediate_size=64))  # fmt: skip
        model.push_to_hub(repo)
        api = HfApi()
        api.upload_file(path_or_fileobj=b"---\nlicense: mit\npipeline_tag: feature-extraction\n---\n# Bert\n",
                        path_in_repo="README.md", repo_id=repo)  # fmt: skip
        info = api.model_info(repo)
        metadata = get_safetensors_metadata(repo)
        ranged = parse_safetensors_file_metadata(repo, "model.safetensors")
        return {"library": info.library_name, "pipeline": info.pipeline_tag, "tags": info.tags,
                "parameters": sum(each.numel() for each in model.parameters()),
                "metadata": metadata.parameter_count["F32"], "ranged": ranged.parameter_count["F32"],
                "config": info.config and info.config.get("model_type")}  # fmt: skip

    seen = trainer.call(push, repo=hub.new_id())
    assert seen["library"] == "transformers"
    assert seen["pipeline"] == "feature-extraction"
    assert {"license:mit", "safetensors", "bert"} <= set(seen["tags"])
    assert seen["metadata"] == seen["ranged"] == seen["parameters"]
    assert seen["config"] == "bert"


def test_a_model_by_its_alias_and_old_name(trainer: Client, hub: Hub) -> None:
    def story(repo: str, moved: str) -> dict:
        from huggingface_hub import HfApi
        from transformers import AutoConfig, GPT2Config, GPT2LMHeadModel

        api = HfApi()
        model = GPT2LMHeadModel(GPT2Config(vocab_size=10, n_embd=8, n_layer=1, n_head=1, n_positions=8))
        model.push_to_hub("acme/gpt2-small")
        model.push_to_hub(repo)
        api.move_repo(repo, moved)
        again = GPT2LMHeadModel.from_pretrained("gpt2")
        old = GPT2LMHeadModel.from_pretrained(repo)
        return {"type": AutoConfig.from_pretrained("gpt2").model_type,
                "same": [bool((each.lm_head.weight == model.lm_head.weight).all()) for each in (again, old)]}  # fmt: skip

    seen = trainer.call(story, repo=hub.new_id(), moved=hub.new_id("acme"))
    assert seen == {"type": "gpt2", "same": [True, True]}


def test_what_is_missing_is_said(trainer: Client, hub: Hub) -> None:
    def story(repo: str) -> list:
        from huggingface_hub import HfApi
        from kit import failure
        from transformers import AutoConfig, AutoModel

        HfApi().create_repo(repo)
        return [failure(lambda: AutoConfig.from_pretrained(repo)), failure(lambda: AutoModel.from_pretrained(repo + "x")),
                failure(lambda: AutoConfig.from_pretrained(repo, revision="nope"))]  # fmt: skip

    empty, missing, revision = trainer.call(story, repo=hub.new_id())
    assert "config.json" in empty["text"]
    assert "not a valid model identifier" in missing["text"] or "is not a local folder" in missing["text"]
    assert "nope" in revision["text"]
