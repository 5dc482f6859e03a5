"""The rows of a made-up hub's repositories, as commits would have written them: cards, configs, files, texts.

What they say was chosen before, in `million` and `million_tags`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench import million_words as words
from bench.million_tags import GGUF, KINDS, SDKS, Ints
from openhood.base.names import RepoType
from openhood.domain.catalog import record, texts
from openhood.domain.catalog.types import Subject

if TYPE_CHECKING:
    from bench.million import Hub

TYPES = (RepoType.MODEL, RepoType.DATASET, RepoType.SPACE)


@dataclass
class Batch:
    """Rows of some repositories, by table, ordered as `COLUMNS` says."""

    repos: list[tuple[Any, ...]] = field(default_factory=list)
    repo_texts: list[tuple[Any, ...]] = field(default_factory=list)
    repo_files: list[tuple[Any, ...]] = field(default_factory=list)
    refs: list[tuple[Any, ...]] = field(default_factory=list)
    evaluations: list[tuple[Any, ...]] = field(default_factory=list)


COLUMNS = {
    "accounts": ("id", "hex_id", "kind", "name", "name_key", "fullname", "is_admin", "created_at"),
    "memberships": ("org_id", "user_id", "role", "created_at"),
    "tokens": ("hex_id", "user_id", "display_name", "kind", "role", "secret_hash", "hint", "created_at"),
    "tags": ("id", "type", "name", "key", "category", "n_public", "n_all"),
    "repos": (
        *("id", "hex_id", "type", "owner_id", "creator_id", "namespace", "name", "namespace_key", "name_key"),
        *("visibility", "gated", "head_oid", "card", "config", "tags", "tag_ids", "extras", "pipeline_tag"),
        *("library_name", "sdk", "search_text", "weights", "parameters", "main_bytes", "used_storage_bytes"),
        *("likes", "downloads", "downloads_all_time", "trending_score", "created_at", "last_modified"),
    ),
    "repo_texts": ("repo_id", "place", "name", "words", "owner"),
    "repo_files": ("repo_id", "head_oid", "names"),
    "refs": ("repo_id", "name", "oid", "commit_oid", "indexed", "updated_at"),
    "evaluations": ("repo_id", "number", "dataset_key", "task_id", "value", "filename", "entry"),
    "likes": ("repo_id", "user_id", "created_at"),
    "download_days": ("repo_id", "day", "count"),
}


_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' "
    "}}{% if tools %}{{ tools | tojson }}{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant"
    "{% endif %}"
)
_PLAIN = (".gitattributes", "README.md")
_FILES = (
    (*_PLAIN, "config.json", "generation_config.json", "model.safetensors.index.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"),
    (*_PLAIN, "config.json", "model.safetensors", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "training_args.bin", "vocab.txt"),
    _PLAIN,
    (*_PLAIN, "adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "tokenizer_config.json", "training_args.bin"),
    (*_PLAIN, "model_index.json", "pytorch_lora_weights.safetensors", "image_0.png", "image_1.png", "image_2.png", "sample.jpg"),
    (*_PLAIN, "config.json", "replay.mp4", "results.json", "ppo-LunarLander-v2.zip", "ppo-LunarLander-v2/data", "ppo-LunarLander-v2/policy.pth"),
    (*_PLAIN, "1_Pooling/config.json", "config.json", "config_sentence_transformers.json", "model.safetensors", "modules.json", "tokenizer.json"),
    (*_PLAIN, "config.json", "model.safetensors", "preprocessor_config.json", "training_args.bin", "vocab.json"),
    (*_PLAIN, "config.json", "model.safetensors", "model.safetensors.index.json", "tokenizer.json", "tokenizer_config.json"),
    (*_PLAIN, "weights/last.pt", "weights/best.pt"),
)  # fmt: skip
_MORE = (
    "model-{0:05d}-of-00012.safetensors",
    "runs/events.out.tfevents.{0}",
    "",
    "checkpoint-{0}00/optimizer.pt",
)
_DATA = (*_PLAIN, "dataset_infos.json")
_SPACE = (
    *_PLAIN,
    "app.py",
    "requirements.txt",
    "static/style.css",
    "Dockerfile",
    "utils.py",
    "examples/1.png",
)


def _packed_files() -> list[list[bytes]]:
    """Return lists of 10 to 20 files by kind of model, of datasets (at -2) and of spaces (at -1)."""
    found = []
    for kind, fixed in enumerate((*_FILES, _DATA, _SPACE)):
        more = ".Q{0}_K_M.gguf" if kind == GGUF else _MORE[kind % 4] or "data/train-{0:05d}-of-00020.parquet"
        lists = [
            (*fixed, *(more.format(at) for at in range(1, 1 + max(2, extra - len(fixed)))))
            for extra in range(10, 21)
        ]
        found.append([record.pack_paths(sorted(each)) for each in lists])
    return found


class Maker:
    """Makes the rows of one type's repositories."""

    def __init__(
        self,
        hub: Hub,
        kind: int,
        picks: dict[str, Ints],
        names: Sequence[str],
        matrix: npt.NDArray[np.int32],
        *,
        first: int,
    ) -> None:
        self.matrix = matrix
        self.first = first
        self._hub = hub
        self._kind = kind
        self._picks = picks
        # The last of each, which -1 finds, is what a repository without says.
        self._shown = ["" if name.startswith("~") else f'"{name}"' for name in names]
        self._numbers = [str(first + at) for at in range(len(names))]
        self._says = _fragments(hub, kind)
        self._files = _packed_files()

    def make(self, batch: Batch, rows: Sequence[int], first: int, said: Sequence[str]) -> None:
        """Append the rows of repositories; ``first`` is the place among its type of the first."""
        hub, kind = self._hub, self._kind
        size = len(rows)
        span = slice(first, first + size)
        picks = {name: each[span].tolist() for name, each in self._picks.items()}
        empty = [-1] * size
        sdks = picks.get("sdk", empty)
        tasks, libraries, archs = (picks.get(name, empty) for name in ("task", "library", "arch"))
        rng = np.random.default_rng((7, kind, first))
        byte_sizes = (rng.lognormal(20.0 if kind == 0 else 17.0, 2.0, size)).astype(np.int64).tolist()
        scales = rng.lognormal(0, 0.9, size).tolist()
        oids = [f"{high:016x}{low:024x}" for high, low in rng.integers(1 << 62, 1 << 63, (size, 2)).tolist()]
        lists = rng.integers(0, 11, size).tolist()
        scored = rng.random(size)
        index = np.asarray(rows, np.int64)
        columns = zip(
            rows,
            hub.ids[index].tolist(),
            hub.owners[index].tolist(),
            hub.model_kinds[index].tolist(),
            hub.hidden[index].tolist(),
            hub.gated[index].tolist(),
            hub.likes[index].tolist(),
            hub.downloads[index].tolist(),
            hub.all_time[index].tolist(),
            hub.trending[index].tolist(),
            hub.created[index].tolist(),
            hub.modified[index].tolist(),
            self.matrix[span].tolist(),
            strict=True,
        )
        of = TYPES[kind].value
        for at, (
            row,
            number,
            owner,
            model_kind,
            hidden,
            gated,
            likes,
            downloads,
            ever,
            hot,
            born,
            modified,
            line,
        ) in enumerate(columns):
            namespace, name = hub.accounts[owner], hub.names[row]
            key = f"{namespace}/{name}".lower()
            tags = [each for each in line if each >= 0]
            shown = [text for text in map(self._shown.__getitem__, tags) if text]
            weighs = KINDS[model_kind][4] if kind == 0 else 0
            parameters = int(weighs * scales[at]) if weighs and scored[at] < 0.9 else None
            oid = oids[at]
            batch.repos.append(
                (
                    number, f"{born // 1000:08x}{number & 0xFFFFFFFFFFFF:016x}", of, owner + 1, None, namespace, name,
                    namespace, name.lower(), "private" if hidden else "public", _GATED[gated], oid,
                    self._card(picks, at, name), _CONFIGS[archs[at]] if kind == 0 else None,
                    f"[{','.join(shown)}]", ",".join([self._numbers[each] for each in tags]),
                    self._extras(tasks[at], archs[at], name), words.PIPELINES[tasks[at]] if kind == 0 and tasks[at] >= 0 else None,
                    words.LIBRARIES[libraries[at]] if libraries[at] >= 0 else None,
                    SDKS[sdks[at]] if sdks[at] >= 0 else None, key, _weights(model_kind, parameters), parameters,
                    byte_sizes[at], byte_sizes[at] * 2, likes, downloads, ever, hot, born, modified,
                )
            )  # fmt: skip
            subject = Subject(number, TYPES[kind], key, owner + 1, hidden)
            place = texts.place_of(subject, tier=texts.tier_of(downloads=downloads, likes=likes))
            batch.repo_texts.append((number, place, key, f"{name} {said[at]}", texts.owner_word(owner + 1)))
            files = self._files[model_kind if kind == 0 else kind - 3]
            batch.repo_files.append((number, oid, files[lists[at]]))
            batch.refs.append((number, "refs/heads/main", oid, oid, 1, modified))
            if kind == 0 and scored[at] < 0.01:
                batch.evaluations.append(_evaluation(number, row))

    def _card(self, picks: dict[str, list[int]], at: int, name: str) -> str:
        parts = [says[picks[each][at]] for each, says in self._says.items()]
        inner = ",".join([part for part in parts if part])
        if self._kind == 0:
            task = words.PIPELINES[picks["task"][at]]
            inner += (
                f',"model-index":[{{"name":"{name}","results":[{{"task":{{"type":"{task}","name":"{task}"}},'
                f'"dataset":{{"name":"evaluation-{at % 50}","type":"evaluation-{at % 50}","split":"validation"}},'
                f'"metrics":[{{"type":"accuracy","value":0.{at % 9973:04d},"name":"Accuracy"}},{{"type":"loss",'
                f'"value":1.{at % 7919:04d},"name":"Loss"}}]}}]}}],"widget":[{{"text":"An example of what {name} reads"}}]'
            )
        elif self._kind == 1:
            inner += (
                f',"pretty_name":"{name}","dataset_info":{{"features":[{{"name":"text","dtype":"string"}},'
                f'{{"name":"label","dtype":"int64"}},{{"name":"source","dtype":"string"}}],"splits":[{{"name":"train",'
                f'"num_bytes":{at * 7919},"num_examples":{at * 31}}}],"download_size":{at * 4001}}},"configs":'
                '[{"config_name":"default","data_files":[{"split":"train","path":"data/train-*"}]}]'
            )
        else:
            inner += f',"title":"{name}","emoji":"x","colorFrom":"blue","colorTo":"red","app_file":"app.py"'
        return "{" + inner.removeprefix(",") + "}"

    def _extras(self, task: int, arch: int, name: str) -> str:
        if self._kind == 0 and arch >= 0:
            return _TRANSFORMERS[arch]
        if self._kind == 1:
            return f'{{"description":"{name}: a collection of texts made for tests, with labels and their sources."}}'
        return "{}"


def _fragments(hub: Hub, kind: int) -> dict[str, list[str]]:
    """Return what cards say of each pick, by the name of the picks; last, what they say without one."""

    def said(key: str, values: Sequence[str], *, many: bool) -> list[str]:
        form: Callable[[str], str] = (
            (lambda each: f'"{key}":["{each}"]') if many else (lambda each: f'"{key}":"{each}"')
        )
        return [*map(form, values), ""]

    licenses = said("license", words.LICENSES, many=False)
    languages = said("language", words.LANGUAGES, many=True)
    if kind == 0:
        free = words.syllables(12_000, seed=8)
        free = [f"{name}-{at % 10}" if at % 3 == 0 else name for at, name in enumerate(free)]
        return {
            "license": licenses,
            "language": languages,
            "library": said("library_name", words.LIBRARIES, many=False),
            "task": said("pipeline_tag", words.PIPELINES, many=False),
            "free": said("tags", free, many=True),
            "base": said("base_model", hub.full_names(0, hub.shape.bases), many=True),
            "dataset": said("datasets", hub.full_names(1, hub.shape.bases // 2), many=True),
        }
    if kind == 1:
        return {
            "license": licenses,
            "language": languages,
            "task": said("task_categories", words.PIPELINES, many=True),
            "free": said("tags", words.syllables(6_000, seed=9), many=True),
        }
    return {
        "license": licenses,
        "sdk": said("sdk", SDKS, many=False),
        "free": said("tags", words.syllables(3_000, seed=10), many=True),
        "base": said("models", hub.full_names(0, hub.shape.bases), many=True),
        "dataset": said("datasets", hub.full_names(1, hub.shape.bases // 2), many=True),
    }


_GATED = ("", "auto", "manual")
_CONFIGS: list[str | None] = [
    f'{{"architectures":["{head}"],"model_type":"{name}","tokenizer_config":{{"bos_token":"<s>","eos_token":"</s>",'
    f'"pad_token":"<pad>","unk_token":"<unk>"'
    + (f',"chat_template":"{_TEMPLATE}"' if name in words.WRITERS else "")
    + "}}"
    for name, head in words.ARCHITECTURES.items()
]
_CONFIGS.append(None)
_TRANSFORMERS = [
    f'{{"transformersInfo":{{"auto_model":"AutoModelFor{head.partition("For")[2] or "Model"}","pipeline_tag":null,'
    '"processor":"AutoTokenizer"}}'
    for head in words.ARCHITECTURES.values()
]


def _weights(model_kind: int, parameters: int | None) -> str | None:
    if parameters is None:
        return None
    if model_kind == GGUF:
        return f'{{"gguf":{{"total":{parameters},"architecture":"llama","context_length":8192}}}}'
    return f'{{"safetensors":{{"parameters":{{"BF16":{parameters}}},"total":{parameters}}}}}'


def _evaluation(number: int, row: int) -> tuple[Any, ...]:
    dataset, value = f"benchmarks/exam-{row % 50}", round(row * 7919 % 10_000 / 100, 2)
    entry = f'{{"dataset":{{"id":"{dataset}","task_id":"default"}},"value":{value},"verified":false}}'
    return number, 0, dataset, "default", value, ".eval_results/exam.yaml", entry
