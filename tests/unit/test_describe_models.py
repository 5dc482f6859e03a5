"""Models say what they are by their cards, their configurations and the names of their files."""

from __future__ import annotations

import pytest

from unit.describing import described, model

LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
BERT = {"model_type": "bert", "architectures": ["BertForMaskedLM"]}


def test_an_instruction_model_as_the_hub_tags_it() -> None:
    card = """
language: [en, de]
library_name: transformers
pipeline_tag: text-generation
base_model: meta-llama/Llama-3.1-8B
license: llama3.1
tags: [facebook, meta, pytorch, llama-3]"""
    found = model(
        card, LLAMA, "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
        body="See https://arxiv.org/abs/2204.05149.",
        tokenizer_config={"bos_token": "<s>", "chat_template": "{% for message in messages %}{% endfor %}"},
    )  # fmt: skip
    assert found.tags == (
        "transformers", "safetensors", "llama", "text-generation", "facebook", "meta", "pytorch", "llama-3",
        "conversational", "en", "de", "arxiv:2204.05149", "base_model:meta-llama/Llama-3.1-8B",
        "base_model:finetune:meta-llama/Llama-3.1-8B", "license:llama3.1", "text-generation-inference",
        "endpoints_compatible", "region:us",
    )  # fmt: skip
    assert found.extras["transformersInfo"] == {
        "auto_model": "AutoModelForCausalLM",
        "pipeline_tag": "text-generation",
        "processor": "AutoTokenizer",
    }
    assert {"~app:vllm", "~app:sglang", "~app:tgi"} <= set(found.traits)
    assert not {"~app:ollama", "~app:llama.cpp", "~app:mlx-lm"} & set(found.traits)


def test_bert_as_the_hub_tags_it() -> None:
    card = "language: en\ntags: [exbert]\nlicense: apache-2.0\ndatasets: [bookcorpus, wikipedia]"
    paths = (
        "coreml/fill-mask/float32_model.mlpackage/Data/weights.bin", "flax_model.msgpack", "model.onnx",
        "model.safetensors", "pytorch_model.bin", "rust_model.ot", "tf_model.h5",
    )  # fmt: skip
    found = model(card, BERT, *paths, body="(arxiv: 1810.04805)", tokenizer_config={"do_lower_case": True})
    assert found.tags == (
        "transformers", "pytorch", "tf", "jax", "rust", "coreml", "onnx", "safetensors", "bert", "fill-mask",
        "exbert", "en", "dataset:bookcorpus", "dataset:wikipedia", "arxiv:1810.04805", "license:apache-2.0",
        "endpoints_compatible", "region:us",
    )  # fmt: skip
    assert found.config == {
        "architectures": ["BertForMaskedLM"],
        "model_type": "bert",
        "tokenizer_config": {},
    }
    assert found.extras["mask_token"] == "[MASK]"
    assert found.extras["widgetData"] == [{"text": "Bread is made from flour and [MASK]."}]
    assert found.extras["transformersInfo"] == {
        "auto_model": "AutoModelForMaskedLM",
        "pipeline_tag": "fill-mask",
        "processor": "AutoTokenizer",
    }


def test_a_sentence_embedder_as_the_hub_tags_it() -> None:
    card = """
language: en
license: apache-2.0
library_name: sentence-transformers
tags: [sentence-transformers, feature-extraction, sentence-similarity, transformers]
pipeline_tag: sentence-similarity"""
    config = {"model_type": "bert", "architectures": ["BertModel"]}
    found = model(
        card, config, "modules.json", "onnx/model.onnx", "openvino/openvino_model.xml", "model.safetensors"
    )
    assert found.tags == (
        "sentence-transformers", "onnx", "safetensors", "openvino", "bert", "feature-extraction",
        "sentence-similarity", "transformers", "en", "license:apache-2.0", "text-embeddings-inference",
        "endpoints_compatible", "region:us",
    )  # fmt: skip


def test_a_gguf_repository() -> None:
    card = (
        "base_model: JetBrains/Mellum2\nlicense: apache-2.0\npipeline_tag: text-generation\ntags: [llama.cpp]"
    )
    found = model(card, None, "mellum-Q4_K_M.gguf", "mellum-Q8_0.gguf")
    assert found.tags == (
        "gguf", "llama.cpp", "text-generation", "base_model:JetBrains/Mellum2",
        "base_model:quantized:JetBrains/Mellum2", "license:apache-2.0", "endpoints_compatible", "region:us",
    )  # fmt: skip
    assert (found.library_name, found.pipeline_tag, found.config) == ("gguf", "text-generation", None)
    assert {"~app:ollama", "~app:lmstudio", "~app:vllm", "~app:docker-model-runner"} <= set(found.traits)
    assert "~app:sglang" not in found.traits
    assert "~app:ollama" not in model("pipeline_tag: text-to-image", None, "flux.gguf").traits


def test_a_lora_adapter_names_its_base_itself() -> None:
    adapter = {"peft_type": "LORA", "base_model_name_or_path": "acme/base", "task_type": "CAUSAL_LM"}
    found = model("license: mit", None, "adapter_model.safetensors", adapter_config=adapter)
    assert found.tags == (
        "peft", "safetensors", "base_model:acme/base", "base_model:adapter:acme/base", "license:mit", "region:us",
    )  # fmt: skip
    assert found.config == {"peft": {"base_model_name_or_path": "acme/base", "task_type": "CAUSAL_LM"}}
    said = model("base_model: acme/other", None, adapter_config=adapter)
    assert "base_model:adapter:acme/other" in said.tags
    assert "base_model:acme/base" not in said.tags
    for local in ("./out", "/home/me/llama", "a/b/c", "C:\\models\\x", "base"):
        found = model("", None, adapter_config=adapter | {"base_model_name_or_path": local})
        assert not [tag for tag in found.tags if tag.startswith("base_model")]
    older = model("", None, adapter_config={"model_name": "bert-base-uncased", "model_class": "BertModel"})
    assert older.library_name == "adapter-transformers"
    assert older.config == {
        "adapter_transformers": {"model_name": "bert-base-uncased", "model_class": "BertModel"}
    }


def test_a_diffusers_pipeline() -> None:
    index = {"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
    found = model(
        "license: openrail++", None, "unet/diffusion_pytorch_model.safetensors", "vae_decoder/model.onnx",
        "text_encoder/pytorch_model.bin", model_index=index,
    )  # fmt: skip
    assert found.tags == (
        "diffusers", "onnx", "safetensors", "text-to-image", "license:openrail++", "endpoints_compatible",
        "diffusers:StableDiffusionXLPipeline", "region:us",
    )  # fmt: skip
    assert found.config == {"diffusers": {"_class_name": "StableDiffusionXLPipeline"}}
    assert {"~app:drawthings", "~app:diffusionbee", "~app:jellybox"} <= set(found.traits)
    lora = model("library_name: diffusers\ntags: [lora]\nbase_model: acme/flux", None, "x.safetensors")
    assert "base_model:adapter:acme/flux" in lora.tags
    assert "~app:drawthings" in lora.traits
    assert "~app:diffusionbee" not in lora.traits


def test_custom_code() -> None:
    auto_map = {
        "AutoConfig": "config.C",
        "AutoModel": "modeling_ocr.OcrForCausalLM",
        "AutoTokenizer": ["a.B", None],
    }
    config = {"model_type": "deepseek_vl_v2", "architectures": ["OcrForCausalLM"], "auto_map": auto_map}
    card = "pipeline_tag: image-text-to-text\nlanguage: multilingual\ntags: [ocr]\nlibrary_name: transformers"
    found = model(card, config, "model.safetensors")
    assert found.tags == (
        "transformers", "safetensors", "deepseek_vl_v2", "feature-extraction", "ocr", "custom_code",
        "image-text-to-text", "multilingual", "region:us",
    )  # fmt: skip
    info = found.extras["transformersInfo"]
    assert isinstance(info, dict)
    assert (info["auto_model"], info["custom_class"]) == ("AutoModel", "modeling_ocr.OcrForCausalLM")
    assert found.config is not None
    assert found.config["auto_map"] == auto_map | {"AutoTokenizer": "a.B"}


@pytest.mark.parametrize(
    ("config", "paths", "library", "pipeline"),
    [
        (LLAMA, (), "transformers", "text-generation"),
        (BERT, (), "transformers", "fill-mask"),
        ({"model_type": "bert"}, (), "transformers", None),
        ({"model_type": "bert", "architectures": ["BertForPreTraining"]}, (), "transformers", None),
        ({"architectures": ["T5ForConditionalGeneration"]}, (), "transformers", "text2text-generation"),
        (
            {"architectures": ["WhisperForConditionalGeneration"]},
            (),
            "transformers",
            "automatic-speech-recognition",
        ),
        ({"architectures": ["Qwen2_5_VLForConditionalGeneration"]}, (), "transformers", "image-text-to-text"),
        ({"architectures": ["TapasForQuestionAnswering"]}, (), "transformers", "table-question-answering"),
        ({"architectures": ["ViTModel"]}, (), "transformers", "image-feature-extraction"),
        (
            {"architectures": ["NoSuchThing", "CLIPModel"]},
            (),
            "transformers",
            "zero-shot-image-classification",
        ),
        (None, ("adapter_config.json", "config.json"), "peft", None),
        (None, ("model_index.json", "unet/config.json"), "diffusers", None),
        ({"model_type": "bert"}, ("modules.json",), "sentence-transformers", "sentence-similarity"),
        (None, ("m.gguf",), "gguf", None),
        (LLAMA, ("m.gguf",), "gguf", "text-generation"),
        (LLAMA, ("m.gguf", "model.safetensors"), "transformers", "text-generation"),
        (None, ("a/m.nemo",), None, None),
        (None, ("m.nemo",), "nemo", None),
        (None, ("m.mlmodel",), "coreml", None),
        ({"architecture": "resnet50", "pretrained_cfg": {}}, (), "timm", None),
        ({"sklearn": {"model": {"file": "m.pkl"}}}, (), "sklearn", None),
        ({"speechbrain_interface": "EncoderDecoderASR"}, (), "speechbrain", None),
        (None, ("deep/adapter_config.json",), None, None),
        ({"other": 1}, (), None, None),
        ([1, 2], (), None, None),
    ],
)
def test_library_and_task(
    config: dict[str, object] | list[object] | None,
    paths: tuple[str, ...],
    library: str | None,
    pipeline: str | None,
) -> None:
    found = model(None, config, *paths)
    assert (found.library_name, found.pipeline_tag) == (library, pipeline)


def test_the_card_wins() -> None:
    found = model("library_name: timm\npipeline_tag: image-classification", BERT)
    assert (found.library_name, found.pipeline_tag) == ("timm", "image-classification")
    for bad in ("library_name: [a]", "library_name: 'a b'", "pipeline_tag: 5", f"library_name: {'x' * 65}"):
        found = model(bad)
        assert (found.library_name, found.pipeline_tag) == (None, None)


def test_tags_name_library_and_task_where_nothing_better_does() -> None:
    found = model("tags: [audio, flair, token-classification]")
    assert (found.library_name, found.pipeline_tag) == ("flair", "token-classification")
    # What the configuration of a transformers model says counts for more than a tag, if it says much.
    assert model("tags: [translation]", BERT).pipeline_tag == "fill-mask"
    t5 = {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]}
    assert model("tags: [translation]", t5).pipeline_tag == "translation"
    assert model("tags: [conversational, other]").pipeline_tag is None


def test_tasks_that_are_none_of_a_pipeline_are_tags_only() -> None:
    found = model("", {"model_type": "wav2vec2", "architectures": ["Wav2Vec2ForPreTraining"]})
    assert found.pipeline_tag is None
    assert found.tags == ("transformers", "wav2vec2", "pretraining", "endpoints_compatible", "region:us")


@pytest.mark.parametrize(
    ("quantization", "tags"),
    [
        ({"quant_method": "gptq", "bits": 4}, ["4-bit", "gptq"]),
        (
            {"quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False},
            ["4-bit", "bitsandbytes"],
        ),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, ["8-bit", "bitsandbytes"]),
        ({"quant_method": "fp8"}, ["8-bit", "fp8"]),
        ({"quant_method": "compressed-tensors"}, ["compressed-tensors"]),
        ({"group_size": 64, "bits": 4}, ["4-bit"]),
        ({"bits": True}, []),
        ({"bits": [4], "quant_method": {}}, []),
    ],
)
def test_quantisation(quantization: dict[str, object], tags: list[str]) -> None:
    found = model("base_model: a/b", LLAMA | {"quantization_config": quantization}, "model.safetensors").tags
    start = found.index("endpoints_compatible") + 1
    assert list(found[start:-1]) == tags


@pytest.mark.parametrize(
    ("card", "config", "paths", "relation"),
    [
        ("", None, (), "finetune"),
        ("base_model_relation: quantized", None, (), "quantized"),
        ("base_model_relation: adapter", None, ("m.gguf",), "adapter"),
        ("base_model_relation: nonsense", None, (), "finetune"),
        ("base_model_relation: [merge]", None, (), "finetune"),
        ("", None, ("adapter_config.json",), "adapter"),
        ("library_name: peft", None, (), "adapter"),
        ("tags: [LoRA]", None, (), "adapter"),
        ("tags: [merge]", None, (), "merge"),
        ("tags: [mergekit]", None, ("m.gguf",), "quantized"),
        ("", None, ("m.gguf",), "quantized"),
        ("", {"quantization_config": {"bits": 4, "secret": [1]}}, (), "quantized"),
    ],
)
def test_base_models(
    card: str, config: dict[str, object] | None, paths: tuple[str, ...], relation: str
) -> None:
    tags = model(f"base_model: a/b\n{card}", config, *paths).tags
    at = tags.index("base_model:a/b")
    assert tags[at + 1] == f"base_model:{relation}:a/b"


def test_merges_name_their_bases_in_order() -> None:
    found = model("base_model: [rico/x, Orion/y, rico/x, 'not a repo', 'https://x/y', 5]").tags
    assert found == (
        "base_model:Orion/y", "base_model:merge:Orion/y", "base_model:rico/x", "base_model:merge:rico/x", "region:us",
    )  # fmt: skip


def test_results_are_tagged_in_the_hubs_order() -> None:
    card = "license: mit\nco2_eq_emissions: 5\nmodel-index:\n- name: x\n  results: [{task: {type: t}}]"
    files = {".eval_results/x.yaml": "- dataset: {id: a/b, task_id: t}\n  value: 1.5"}
    found = described(card, files=files)  # type: ignore[arg-type]
    assert found.tags == ("license:mit", "model-index", "eval-results", "co2_eq_emissions", "region:us")
    for empty in ("model-index: []", "model-index: [{name: x, results: []}]", "model-index: nonsense"):
        assert model(empty).tags == ("region:us",)


def test_config_keeps_the_shapes_the_hub_shows() -> None:
    config = LLAMA | {
        "quantization_config": {"quant_method": "awq", "w_bit": 4, "secret": [1], "load_in_4bit": "yes"},
        "hidden_size": 4096,
    }
    tokenizer = {
        "bos_token": {"__type": "AddedToken", "content": "<s>", "lstrip": False, "special": True},
        "eos_token": "</s>",
        "pad_token": None,
        "unk_token": 5,
        "use_default_system_prompt": False,
        "chat_template": [
            {"name": "default", "template": "D"},
            {"name": "tool_use", "template": "T"},
            {"name": 5},
        ],
        "model_max_length": 8192,
    }
    found = model("", config, tokenizer_config=tokenizer, processor_config={"chat_template": "P", "size": 1})
    assert found.config == {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "quantization_config": {"quant_method": "awq", "bits": 4},
        "tokenizer_config": {
            "bos_token": {"__type": "AddedToken", "content": "<s>", "lstrip": False},
            "eos_token": "</s>",
            "pad_token": None,
            "use_default_system_prompt": False,
            "chat_template": [{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}],
        },
        "processor_config": {"chat_template": "P"},
    }


def test_chat_templates_in_files_of_their_own() -> None:
    files = {
        "config.json": LLAMA,
        "chat_template.jinja": "{{ tools }}",
        "additional_chat_templates/rag.jinja": "R",
        "additional_chat_templates/notes.txt": "N",
    }
    found = described("tags: [mlx]", "m.safetensors", files=files)  # type: ignore[arg-type]
    assert found.config is not None
    assert found.config["chat_template_jinja"] == "{{ tools }}"
    assert found.config["additional_chat_templates"] == {"rag": "R"}
    assert "conversational" in found.tags
    assert {"~app:pi", "~app:hermes-agent", "~app:openclaw"} <= set(found.traits)
    embedder = described("pipeline_tag: feature-extraction", files=files)  # type: ignore[arg-type]
    assert "conversational" not in embedder.tags


def test_mask_tokens() -> None:
    def of(config: dict[str, object], **more: dict[str, object]) -> object:
        return model("", config, **more).extras.get("mask_token")

    roberta = {"model_type": "roberta", "architectures": ["RobertaForMaskedLM"]}
    assert of(roberta) == "<mask>"
    assert of(roberta, tokenizer_config={"mask_token": {"content": "<m>"}}) == "<m>"
    assert of(roberta, special_tokens_map={"mask_token": "<s>"}) == "<s>"
    assert of(roberta | {"model_type": "unheard"}) is None
    assert of(LLAMA, tokenizer_config={"mask_token": "<m>"}) is None


def test_examples() -> None:
    widget = "widget:\n- text: Hi\n  example_title: One\n- src: a.flac"
    assert model(widget, LLAMA).extras["widgetData"] == [
        {"text": "Hi", "example_title": "One"},
        {"src": "a.flac"},
    ]
    assert model("widget: Hi", LLAMA).extras["widgetData"] == [{"text": "Hi"}]
    assert "widgetData" not in model("language: fr", LLAMA).extras
    assert "widgetData" not in model("pipeline_tag: text-to-3d").extras


def test_bits_of_other_libraries() -> None:
    skops = {"sklearn": {"model": {"file": "m.skops"}, "model_format": "skops", "environment": ["numpy"]}}
    assert model("", skops).config == {"sklearn": {"model": {"file": "m.skops"}, "model_format": "skops"}}
    speech = {"speechbrain_interface": "EncoderASR", "other": 1}
    assert model("", speech).config == {"speechbrain": {"speechbrain_interface": "EncoderASR"}}
    mlx = model(
        "library_name: mlx\npipeline_tag: text-generation\nbase_model: a/b",
        LLAMA | {"quantization": {"bits": 8}},
    )
    assert {"8-bit", "base_model:quantized:a/b"} <= set(mlx.tags)
    assert {"~app:mlx-lm", "~app:lmstudio", "~app:atomic-chat"} <= set(mlx.traits)
