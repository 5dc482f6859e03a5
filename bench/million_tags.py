"""Which tags go together: the kinds of models, and what models, datasets and spaces of a made-up hub are tagged with.

Drawn at random, the rarer the further down a list a name is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bench import million_words as words

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_NONE = np.int64(-1)


class Names:
    """The tags of all repositories of one type: names, and columns of picks among them (-1: none)."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._names: dict[str, int] = {}
        self._columns: list[Ints] = []
        self.picks: dict[str, Ints] = {}

    def always(self, *names: str, where: Bools | None = None) -> None:
        """Give names to all repositories, or to those ``where`` says."""
        for name in names:
            kept = np.zeros(self._count, np.int64)
            self.some([name], kept if where is None else np.where(where, kept, _NONE))

    def some(self, names: Sequence[str], *picks: Ints, keep: str = "") -> None:
        """Give each repository those of ``names`` that its numbers in ``picks`` say; ``keep``: remember them."""
        numbers = np.array([*(self._names.setdefault(name, len(self._names)) for name in names), -1])
        self._columns += [numbers[each] for each in picks]
        if keep:
            self.picks[keep] = picks[0]

    def table(self) -> tuple[list[str], npt.NDArray[np.int32]]:
        """Return the names in use and, by repository, the numbers of its names, ascending, -1 for none."""
        matrix = np.sort(np.stack(self._columns, axis=1).astype(np.int32), axis=1)
        matrix[:, 1:][matrix[:, 1:] == matrix[:, :-1]] = -1
        used = np.unique(matrix)
        used = used[used >= 0]
        renamed = np.full(len(self._names) + 1, -1, np.int32)
        renamed[used] = np.arange(len(used), dtype=np.int32)
        names = list(self._names)
        return [names[at] for at in used.tolist()], renamed[matrix]


def zipf(rng: np.random.Generator, size: int, count: int, *, power: float) -> Ints:
    """Draw ``size`` numbers below ``count``, of which each is rarer than the one before by that power."""
    edges = np.cumsum(1.0 / np.arange(1, count + 1) ** power)
    found: Ints = np.searchsorted(edges / edges[-1], rng.random(size)).astype(np.int64)
    return np.minimum(found, count - 1)


KINDS = (  # library, share, tasks, whether it is made from another model, parameters
    ("transformers", 0.30, ("text-generation", "text-generation", "image-text-to-text"), 0.6, 7e9),
    ("transformers", 0.20, ("text-classification", "token-classification", "fill-mask", "question-answering"), 0.5, 1e8),
    ("gguf", 0.14, ("text-generation", "text-generation", "image-text-to-text"), 0.95, 8e9),
    ("peft", 0.11, ("text-generation", "text-generation", "text-classification"), 0.97, 0),
    ("diffusers", 0.08, ("text-to-image", "text-to-image", "image-to-image", "text-to-video"), 0.6, 0),
    ("stable-baselines3", 0.05, ("reinforcement-learning",), 0.0, 0),
    ("sentence-transformers", 0.03, ("sentence-similarity", "feature-extraction"), 0.6, 1e8),
    ("transformers", 0.06, ("automatic-speech-recognition", "image-classification", "text-to-speech"), 0.5, 3e8),
    ("mlx", 0.02, ("text-generation", "image-text-to-text"), 0.98, 4e9),
    ("", 0.01, (), 0.1, 0),
)  # fmt: skip
SHARES = [each[1] for each in KINDS]
TEXT, ENCODER, GGUF, PEFT, PAINT, RL, SENTENCE, SENSES, MLX, OTHER = range(len(KINDS))
ENDS = (
    ("", "-v2", "-chat", "-demo", "-space", "-app"),  # by type 0 is never used: models come last
    ("", "-v2", "-dataset", "-corpus", "-train", "-preferences"),
    ("", "-demo", "-chat", "-leaderboard", "-playground", "-app"),
    ("", "-sft", "-Instruct", "-dpo", "-merged", "-v0.1"),
    ("-finetuned-squad", "-finetuned-ner", "-sentiment", "-finetuned-imdb", "", "-v2"),
    ("-GGUF", "-GGUF", "-i1-GGUF", "-Q4_K_M-GGUF", "-gguf", "-GGUF"),
    ("-lora", "-qlora", "-adapter", "-sft-lora", "-peft", "-dpo-lora"),
    ("-lora", "-style", "-dreambooth", "", "-xl", "-flux-lora"),
    ("", "", "", "", "", ""),
    ("-embed", "-setfit", "-retriever", "-nli", "", "-matryoshka"),
    ("-common-voice", "-food101", "-fleurs", "-tts", "", "-cifar10"),
    ("-4bit", "-8bit", "-bf16-mlx", "-mlx", "-4bit-mlx", "-mlx-6bit"),
    ("", "-model", "-test", "-v3", "-old", "-checkpoint"),
)
_RELATIONS = ("finetune", "quantized", "adapter", "merge")
_ARCHITECTURES = list(words.ARCHITECTURES)


def model_tags(
    names: Names,
    rng: np.random.Generator,
    kinds: Ints,
    models: Sequence[str],
    datasets: Sequence[str],
) -> None:
    count = len(kinds)

    def of(*wanted: int) -> Bools:
        found: Bools = np.isin(kinds, wanted)
        return found

    def chance(share: float) -> Bools:
        found: Bools = rng.random(count) < share
        return found

    def rarely(share: float, picks: Ints) -> Ints:
        return np.where(chance(share), picks, _NONE)

    library = np.array(
        [words.LIBRARIES.index(each[0]) if each[0] in words.LIBRARIES else -1 for each in KINDS]
    )
    odd = np.where(of(OTHER), 7 + zipf(rng, count, len(words.LIBRARIES) - 7, power=1.0), library[kinds])
    names.some(words.LIBRARIES, rarely(0.9, odd), keep="library")
    weighed = of(TEXT, ENCODER, SENTENCE, SENSES, MLX)
    names.always("pytorch", where=weighed & chance(0.25))
    names.always("tensorboard", where=of(ENCODER, SENSES, PEFT) & chance(0.35))
    names.always("safetensors", where=(weighed & chance(0.85)) | of(PEFT, PAINT) & chance(0.9))
    names.always("onnx", where=of(ENCODER, SENTENCE) & chance(0.1))
    names.always("gguf", where=of(GGUF) | of(TEXT) & chance(0.02))
    writers = [_ARCHITECTURES.index(name) for name in words.WRITERS]
    arch = np.where(
        of(TEXT, MLX),
        np.array(writers)[zipf(rng, count, len(writers), power=0.9)],
        zipf(rng, count, len(_ARCHITECTURES), power=0.9),
    )
    names.some(_ARCHITECTURES, np.where(of(TEXT, ENCODER, SENSES, SENTENCE, MLX), arch, _NONE), keep="arch")
    names.always("generated_from_trainer", where=of(ENCODER, SENSES, PEFT) & chance(0.6))
    trained = of(TEXT, PEFT) & chance(0.3)
    names.always("trl", where=trained)
    names.always("sft", where=trained & chance(0.7))
    names.always("unsloth", where=of(TEXT, GGUF, PEFT) & chance(0.15))
    names.always("lora", where=of(PEFT) & chance(0.8) | of(PAINT) & chance(0.6))
    names.always("merge", "mergekit", where=of(TEXT, GGUF) & chance(0.08))
    names.always("LunarLander-v2", "deep-reinforcement-learning", where=of(RL) & chance(0.5))
    free = [
        f"{name}-{at % 10}" if at % 3 == 0 else name
        for at, name in enumerate(words.syllables(12_000, seed=8))
    ]
    names.some(
        free,
        *(rarely(share, zipf(rng, count, len(free), power=1.05)) for share in (0.65, 0.5, 0.35, 0.2)),
        keep="free",
    )
    task = np.full(count, -1)
    for kind, (_, _, tasks, _, _) in enumerate(KINDS):
        if tasks:
            numbers = np.array([words.PIPELINES.index(name) for name in tasks])
            task = np.where(kinds == kind, numbers[rng.integers(0, len(tasks), count)], task)
    task = np.where(chance(0.05), zipf(rng, count, len(words.PIPELINES), power=0.9), task)
    names.some(words.PIPELINES, rarely(0.85, task), keep="task")
    names.always("conversational", where=of(TEXT, GGUF, PEFT, MLX) & chance(0.6))
    names.always("custom_code", where=of(TEXT) & chance(0.03))
    tongues = zipf(rng, count, len(words.LANGUAGES), power=1.4)
    names.some(
        words.LANGUAGES,
        rarely(0.5, tongues),
        *(rarely(0.06, zipf(rng, count, 60, power=0.7)) for _ in range(3)),
        keep="language",
    )
    data = [f"dataset:{name}" for name in datasets]
    data_share = np.where(of(TEXT, ENCODER, SENSES, SENTENCE), 0.4, 0.08)
    drawn = zipf(rng, count, len(data), power=0.9)
    names.some(
        data,
        np.where(rng.random(count) < data_share, drawn, _NONE),
        rarely(0.04, zipf(rng, count, len(data), power=0.9)),
        keep="dataset",
    )
    arxiv = [f"arxiv:{2010 + at % 1500}.{10000 + at * 7919 % 20000:05d}" for at in range(4_000)]
    names.some(arxiv, rarely(0.12, zipf(rng, count, len(arxiv), power=1.1)))
    _bases(names, rng, kinds, models)
    names.some(
        [f"license:{name}" for name in words.LICENSES],
        rarely(0.65, zipf(rng, count, len(words.LICENSES), power=1.2)),
        keep="license",
    )
    names.always("model-index", where=of(ENCODER, SENSES, RL) & chance(0.5))
    names.always("eval-results", where=chance(0.01))
    names.always("text-generation-inference", where=of(TEXT) & chance(0.8))
    names.always(
        "endpoints_compatible", where=of(TEXT, ENCODER, GGUF, SENSES, SENTENCE, PAINT) & chance(0.85)
    )
    names.always("4-bit", "bitsandbytes", where=of(TEXT) & chance(0.06))
    names.always("region:us")
    names.always(*(f"~app:{name}" for name in words.APPS), where=of(GGUF))
    names.always("~app:vllm", "~app:sglang", where=of(TEXT) & chance(0.9))
    names.always("~app:mlx-lm", "~app:lmstudio", where=of(MLX))
    names.always("~app:drawthings", "~app:diffusionbee", where=of(PAINT))


def _bases(names: Names, rng: np.random.Generator, kinds: Ints, models: Sequence[str]) -> None:
    count = len(kinds)
    share = np.array([each[3] for each in KINDS])[kinds]
    base = np.where(rng.random(count) < share * 0.8, zipf(rng, count, len(models), power=1.0), _NONE)
    # Two in a hundred are merged from two.
    other = np.where(
        (base >= 0) & (rng.random(count) < 0.02), zipf(rng, count, len(models), power=1.0), _NONE
    )
    relation = np.select(
        [other >= 0, np.isin(kinds, (GGUF, MLX)), np.isin(kinds, (PEFT, PAINT))], [3, 1, 2], 0
    )
    names.some([f"base_model:{name}" for name in models], base, other, keep="base")
    for number, word in enumerate(_RELATIONS):
        mine = relation == number
        picks = [np.where(mine, each, _NONE) for each in ((base, other) if number == 3 else (base,))]
        names.some([f"base_model:{word}:{name}" for name in models], *picks)


def dataset_tags(
    names: Names,
    rng: np.random.Generator,
    kinds: Ints,
    models: Sequence[str],
    datasets: Sequence[str],
) -> None:
    count = len(kinds)

    def rarely(share: float, among: int, power: float = 1.1) -> Ints:
        return np.where(rng.random(count) < share, zipf(rng, count, among, power=power), _NONE)

    names.some(
        [f"task_categories:{name}" for name in words.PIPELINES], rarely(0.4, 40), rarely(0.1, 40), keep="task"
    )
    names.some([f"task_ids:{name}" for name in words.syllables(80, seed=12)], rarely(0.06, 80))
    names.some(
        [f"language:{name}" for name in words.LANGUAGES],
        rarely(0.45, len(words.LANGUAGES), 1.5),
        rarely(0.06, 80),
        rarely(0.04, 80),
        keep="language",
    )
    names.some(
        [f"license:{name}" for name in words.LICENSES], rarely(0.45, len(words.LICENSES)), keep="license"
    )
    sizes = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B")
    names.some([f"size_categories:{name}" for name in sizes], rarely(0.85, len(sizes), 0.8), keep="size")
    form = rarely(0.85, 8, 1.4)
    names.some(
        [
            f"format:{name}"
            for name in (
                "parquet",
                "json",
                "csv",
                "imagefolder",
                "text",
                "webdataset",
                "audiofolder",
                "arrow",
            )
        ],
        form,
    )
    modality = np.select([form == 3, form == 6], [1, 2], np.where(form >= 0, 0, -1))
    names.some(
        [f"modality:{name}" for name in ("text", "image", "audio", "tabular", "video", "timeseries")],
        modality,
        rarely(0.2, 6),
    )
    readable = form >= 0
    names.always("library:datasets", "library:mlcroissant", where=readable)
    names.always("library:pandas", "library:polars", where=readable & (form < 3) & (rng.random(count) < 0.8))
    names.some(
        [f"arxiv:{2010 + at % 1500}.{10000 + at * 7919 % 20000:05d}" for at in range(4_000)],
        rarely(0.06, 4_000),
    )
    names.always("region:us")
    free = words.syllables(6_000, seed=9)
    names.some(free, rarely(0.3, len(free), 1.0), rarely(0.15, len(free), 1.0), keep="free")
    names.always("benchmark:official", where=rng.random(count) < 0.0005)


def space_tags(
    names: Names,
    rng: np.random.Generator,
    kinds: Ints,
    models: Sequence[str],
    datasets: Sequence[str],
) -> None:
    count = len(kinds)

    def rarely(share: float, among: int, power: float = 1.0) -> Ints:
        return np.where(rng.random(count) < share, zipf(rng, count, among, power=power), _NONE)

    names.some(SDKS, zipf(rng, count, 4, power=1.0), keep="sdk")
    names.some(
        [f"license:{name}" for name in words.LICENSES], rarely(0.3, len(words.LICENSES)), keep="license"
    )
    free = words.syllables(3_000, seed=10)
    names.some(free, rarely(0.3, len(free)), rarely(0.15, len(free)), keep="free")
    names.always("mcp-server", where=rng.random(count) < 0.05)
    names.always("region:us")
    names.some(
        [f"~model:{name.lower()}" for name in models],
        rarely(0.5, len(models)),
        rarely(0.15, len(models)),
        keep="base",
    )
    names.some([f"~dataset:{name.lower()}" for name in datasets], rarely(0.1, len(datasets)), keep="dataset")


SDKS = ("gradio", "docker", "static", "streamlit")
