"""How to load a model with the libraries beside the few that most models are for: one short program for each.

Which of them a repository is offered, and what is said for every repository, stands in `repo_snippets`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openhood.http.pages.repo_snippets import Subject


def _called(module: str, call: str) -> Callable[[Subject], str]:
    """Return what makes a program of one import and one call; ``{}`` in ``call`` is the repository's name."""

    def make(subject: Subject) -> str:
        return subject.python(f"{module}\n\n{call.format(json.dumps(subject.id))}")

    return make


def _keras(subject: Subject) -> str:
    return subject.python(
        f"import keras\n\nmodel = keras.saving.load_model({json.dumps('hf://' + subject.id)})"
    )


def _open_clip(subject: Subject) -> str:
    name = json.dumps("hf-hub:" + subject.id)
    return subject.python(
        f"import open_clip\n\nmodel, preprocess = open_clip.create_model_from_pretrained({name})\n"
        f"tokenizer = open_clip.get_tokenizer({name})"
    )


def _spacy(subject: Subject) -> str:
    package = subject.listed.repo.repo_id.name
    wheel = f"{package}-any-py3-none-any.whl"
    return (
        f"pip install {subject.url(wheel)}\npython -c 'import spacy; nlp = spacy.load({json.dumps(package)})'"
    )


def _espnet(subject: Subject) -> str:
    if subject.listed.tip.pipeline_tag == "text-to-speech":
        made = "from espnet2.bin.tts_inference import Text2Speech\n\nmodel = Text2Speech.from_pretrained({})"
    else:
        made = "from espnet2.bin.asr_inference import Speech2Text\n\nmodel = Speech2Text.from_pretrained({})"
    return subject.python(made.format(json.dumps(subject.id)))


def _transformers_js(subject: Subject) -> str:
    task = subject.listed.tip.pipeline_tag
    if task is None:
        return ""
    return (
        'import { env, pipeline } from "@huggingface/transformers";\n\n'
        f"env.remoteHost = {json.dumps(subject.hub_url)};\n"
        f"const pipe = await pipeline({json.dumps(task)}, {json.dumps(subject.id)}"
        + ("" if subject.is_at_main else f", {{ revision: {json.dumps(subject.revision)} }}")
        + ");"
    )


def _from_file(endings: tuple[str, ...], module: str, call: str) -> Callable[[Subject], str]:
    """Return what makes a program that downloads the first file with such an ending and opens it."""

    def make(subject: Subject) -> str:
        files = [each for each in subject.paths or () if each.endswith(endings)]
        if not files:
            return ""
        return subject.python(
            f"from huggingface_hub import hf_hub_download\n{module}\n\n"
            f"path = hf_hub_download({json.dumps(subject.id)}, {json.dumps(files[0])}{subject.pinned()})\n{call}"
        )

    return make


LIBRARIES: Mapping[str, Callable[[Subject], str]] = {
    "keras": _keras,
    "fastai": _called(
        "from huggingface_hub import from_pretrained_fastai", "learn = from_pretrained_fastai({})"
    ),
    "flair": _called("from flair.models import SequenceTagger", "tagger = SequenceTagger.load({})"),
    "nemo": _called(
        "from nemo.collections.asr.models import ASRModel", "model = ASRModel.from_pretrained({})"
    ),
    "open_clip": _open_clip,
    "spacy": _spacy,
    "span-marker": _called(
        "from span_marker import SpanMarkerModel", "model = SpanMarkerModel.from_pretrained({})"
    ),
    "bertopic": _called("from bertopic import BERTopic", "model = BERTopic.load({})"),
    "asteroid": _called("from asteroid.models import BaseModel", "model = BaseModel.from_pretrained({})"),
    "espnet": _espnet,
    "pyannote-audio": _called(
        "from pyannote.audio import Pipeline", "pipeline = Pipeline.from_pretrained({})"
    ),
    "model2vec": _called("from model2vec import StaticModel", "model = StaticModel.from_pretrained({})"),
    "gliner": _called("from gliner import GLiNER", "model = GLiNER.from_pretrained({})"),
    "mlx": _called("from mlx_lm import generate, load", "model, tokenizer = load({})"),
    "sklearn": _from_file((".joblib", ".pkl"), "import joblib", "model = joblib.load(path)"),
    "stable-baselines3": _from_file(
        (".zip",),
        "from stable_baselines3.common.save_util import load_from_zip_file",
        "data, params, _ = load_from_zip_file(path)",
    ),
    "transformers.js": _transformers_js,
    "onnx": _from_file((".onnx",), "import onnxruntime", "session = onnxruntime.InferenceSession(path)"),
}


def served(subject: Subject) -> str:
    """Return how to serve a language model as an API, empty where it is none that such servers take."""
    tip = subject.listed.tip
    if tip.pipeline_tag != "text-generation" or not {"transformers", "safetensors"} <= set(tip.tags) | {
        tip.library_name
    }:
        return ""
    revision = "" if subject.is_at_main else f" --revision {json.dumps(subject.revision)}"
    trusted = " --trust-remote-code" if "custom_code" in tip.tags else ""
    return (
        f"export HF_ENDPOINT={subject.hub_url}\nvllm serve {subject.id}{revision}{trusted}\n\n"
        "# Then, from anywhere\n"
        "curl http://localhost:8000/v1/chat/completions -H 'Content-Type: application/json' \\\n"
        f"""  -d '{{"model": "{subject.id}", "messages": [{{"role": "user", "content": "Hello"}}]}}'"""
    )


tensors = _from_file(
    (".safetensors",),
    "from safetensors import safe_open",
    'with safe_open(path, framework="np") as file:\n    print(file.keys())',
)
"""How to open a file of weights that no library was named for."""
