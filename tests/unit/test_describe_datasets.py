"""Datasets say what they are by their cards and the names of their files; spaces by their cards."""

from __future__ import annotations

import pytest

from openhood.base.names import RepoType
from unit.describing import dataset, described

SQUAD = """
annotations_creators: [crowdsourced]
language_creators: [crowdsourced, found]
language: [en]
license: CC-BY-SA-4.0
multilinguality: [monolingual]
source_datasets: ['extended|wikipedia']
task_categories: [question-answering]
task_ids: [extractive-qa]
paperswithcode_id: squad
pretty_name: SQuAD
tags: [reading]
dataset_info:
  config_name: plain_text
  features:
  - {name: id, dtype: string}
  - {name: context, dtype: string}
  - name: answers
    sequence:
    - {name: text, dtype: string}
    - {name: answer_start, dtype: int32}
  splits:
  - {name: train, num_bytes: 79346108, num_examples: 87599}
  - {name: validation, num_bytes: 10472984, num_examples: 10570}
  download_size: 16278203
  dataset_size: 89819092
configs:
- config_name: plain_text
  data_files:
  - {split: train, path: plain_text/train-*}
  - {split: validation, path: plain_text/validation-*}"""
SQUAD_FILES = ("plain_text/train-00000-of-00001.parquet", "plain_text/validation-00000-of-00001.parquet")


def test_squad_as_the_hub_tags_it() -> None:
    body = "# Dataset Card\nSee [arXiv](https://arxiv.org/abs/1606.05250).\n\n```\n@article{r2016,\n title={{SQuAD}: 100}\n}\n```\n"
    found = dataset(SQUAD, *SQUAD_FILES, body=body)
    assert found.tags == (
        "task_categories:question-answering", "task_ids:extractive-qa", "annotations_creators:crowdsourced",
        "language_creators:crowdsourced", "language_creators:found", "multilinguality:monolingual",
        "source_datasets:extended|wikipedia", "language:en", "license:cc-by-sa-4.0",
        "size_categories:10K<n<100K", "format:parquet", "modality:text", "library:datasets", "library:pandas",
        "library:polars", "library:mlcroissant", "arxiv:1606.05250", "region:us", "reading",
    )  # fmt: skip
    assert found.extras["paperswithcode_id"] == "squad"
    assert found.extras["citation"] == "@article{r2016,\n title={{SQuAD}: 100}\n}"
    assert str(found.extras["description"]).startswith("Dataset Card\n\nSee arXiv.")
    assert (found.pipeline_tag, found.library_name, found.config) == (None, None, None)


def test_squads_configs() -> None:
    configs = dataset(SQUAD, *SQUAD_FILES).extras["configs"]
    assert isinstance(configs, list)
    (config,) = configs
    features = config.pop("features")
    assert [feature["name"] for feature in features] == ["id", "context", "answers"]
    assert config == {
        "config_name": "plain_text",
        "default": True,
        "splits": [
            {
                "name": "train", "patterns": ["plain_text/train-*"], "files": [SQUAD_FILES[0]], "num_files": 1,
                "num_examples": 87599, "num_bytes": 79346108,
            },
            {
                "name": "validation", "patterns": ["plain_text/validation-*"], "files": [SQUAD_FILES[1]],
                "num_files": 1, "num_examples": 10570, "num_bytes": 10472984,
            },
        ],
        "download_size": 16278203,
        "dataset_size": 89819092,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("paths", "splits"),
    [
        (("data.csv",), {"train": 1}),
        (("train.csv", "test.csv", "validation.csv"), {"train": 1, "validation": 1, "test": 1}),
        (("my_train_file.csv", "dev1.csv", "testfile.csv"), {"train": 1, "validation": 1}),
        (("data/train/a.csv", "data/train/b.csv", "data/eval/c.csv"), {"train": 2, "test": 1}),
        (("data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/rare-00000-of-00001.parquet"), {"train": 2, "rare": 1}),
        (("a.jsonl", ".hidden/b.jsonl", "__pycache__/c.jsonl", "README.md", "dataset_infos.json"), {"train": 1}),
        (("train.csv", "LICENSE", "figure.png", "b/notes"), {"train": 1}),
        (("LICENSE", "README.md"), None),
        ((), None),
    ],
)  # fmt: skip
def test_splits_by_names(paths: tuple[str, ...], splits: dict[str, int] | None) -> None:
    configs = dataset("license: mit", *paths).extras.get("configs")
    if splits is None:
        assert configs is None
        return
    assert isinstance(configs, list)
    (config,) = configs
    assert (config["config_name"], config["default"]) == ("default", True)
    assert {split["name"]: split["num_files"] for split in config["splits"]} == splits


def test_configs_of_every_shape() -> None:
    card = """
configs:
- {config_name: z, data_files: "z/*.csv"}
- {config_name: b, data_dir: b}
- {config_name: a, default: true, data_files: [{split: train, path: [x.csv, y.csv]}, {split: test, path: t.csv}]}
- {config_name: c, data_dir: b, data_files: [{split: dev, path: "**/two.csv"}]}
- {config_name: d, data_files: ["x.csv"]}"""
    paths = ("z/1.csv", "z/2.csv", "z/deep/3.csv", "b/train.csv", "b/test/two.csv", "x.csv", "y.csv", "t.csv")
    configs = dataset(card, *paths).extras["configs"]
    assert isinstance(configs, list)
    found = {config["config_name"]: {s["name"]: s["files"] for s in config["splits"]} for config in configs}
    assert list(found) == ["a", "b", "c", "d", "z"]
    assert found == {
        "a": {"train": ["x.csv", "y.csv"], "test": ["t.csv"]},
        "b": {"test": ["b/test/two.csv"]},  # folders come before file names, as in the library
        "c": {"dev": ["b/test/two.csv"]},
        "d": {"train": ["x.csv"]},
        "z": {"train": ["z/1.csv", "z/2.csv"]},
    }


def test_configs_that_the_library_refuses_are_not_shown() -> None:
    assert "configs" not in dataset("configs: [{no_name: 1}, nonsense]", "a.csv").extras
    assert "configs" not in dataset("configs: [{config_name: a, data_files: {train: a.csv}}]", "a.csv").extras


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("a/*.csv", ["a/1.csv", "a/2.csv"]),
        ("**/*.csv", ["a/1.csv", "a/2.csv", "a/b/3.csv", "top.csv"]),
        ("**", ["a/1.csv", "a/2.csv", "a/b/3.csv", "a/b/n.json", "top.csv"]),
        ("a/**", ["a/1.csv", "a/2.csv", "a/b/3.csv", "a/b/n.json"]),
        ("a/[0-1].csv", ["a/1.csv"]),
        ("a/[!1].csv", ["a/2.csv"]),
        ("a/?.csv", ["a/1.csv", "a/2.csv"]),
        ("*.csv", ["top.csv"]),
        ("a/*/*", ["a/b/3.csv", "a/b/n.json"]),
        (".h/*", [".h/x.csv"]),
        ("top.csv", ["top.csv"]),
        ("a*b*c.csv", []),
        ("t*o*p*.csv", ["top.csv"]),
        ("to*op.csv", []),
        ("**/**/*.json", ["a/b/n.json"]),
        ("a/b/[n-z].js*n", ["a/b/n.json"]),
        ("[", []),
        ("nothing*", []),
    ],
)
def test_patterns(pattern: str, matched: list[str]) -> None:
    paths = ("a/1.csv", "a/2.csv", "a/b/3.csv", "a/b/n.json", "top.csv", ".h/x.csv")
    configs = dataset(f"configs:\n- config_name: c\n  data_files: '{pattern}'", *paths).extras.get("configs")
    found = configs[0]["splits"][0]["files"] if isinstance(configs, list) else []
    assert found == matched


@pytest.mark.parametrize(
    ("paths", "tags"),
    [
        (("a.parquet", "b.JSONL"), ["format:parquet", "library:datasets", "library:pandas", "library:polars", "library:mlcroissant"]),
        (("a.csv", "b.csv"), ["format:csv", "library:datasets", "library:dask", "library:polars", "library:mlcroissant"]),
        (("a.txt",), ["format:text", "modality:text", "library:datasets", "library:mlcroissant"]),
        (("x/1.png", "x/2.PNG"), ["format:imagefolder", "modality:image", "library:datasets", "library:mlcroissant"]),
        (("1.wav", "metadata.csv"), ["format:audiofolder", "modality:audio", "library:datasets", "library:mlcroissant"]),
        (("0.tar", "1.tar"), ["format:webdataset", "library:datasets", "library:webdataset", "library:mlcroissant"]),
        (("a.parquet", "figure.png"), ["format:parquet", "library:datasets", "library:pandas", "library:polars", "library:mlcroissant"]),
        (("v.mp4",), ["modality:video", "library:datasets", "library:mlcroissant"]),
        (("mesh.glb", "map.geojson"), ["modality:3d", "modality:geospatial", "library:datasets", "library:mlcroissant"]),
        (("README.md", "LICENSE"), []),
    ],
)  # fmt: skip
def test_formats_kinds_and_libraries(paths: tuple[str, ...], tags: list[str]) -> None:
    assert list(dataset("", *paths).tags) == [*tags, "region:us"]


@pytest.mark.parametrize(
    ("features", "kinds"),
    [
        ("[{name: a, dtype: int64}, {name: b, dtype: float32}]", ["tabular"]),
        ("[{name: a, dtype: int64}]", []),
        ("[{name: a, dtype: image}, {name: b, dtype: int64}, {name: c, dtype: int8}]", ["image"]),
        ("[{name: a, dtype: {audio: {sampling_rate: 16000}}}]", ["audio"]),
        ("[{name: a, dtype: {class_label: {names: {'0': x}}}}]", []),
        ("[{name: a, dtype: {translation: {languages: [de, en]}}}]", ["text"]),
        ("[{name: a, struct: [{name: b, list: string}]}]", ["text"]),
        ("[{name: a, sequence: float32}]", ["timeseries"]),
        ("[{name: embedding, sequence: float32}]", []),
        ("{a: b}", []),
        ("[1, [2], {name: 5, dtype: [string]}]", []),
    ],
)
def test_kinds_by_columns(features: str, kinds: list[str]) -> None:
    found = dataset(f"dataset_info:\n  features: {features}").tags
    assert [tag for tag in found if tag.startswith("modality:")] == [f"modality:{kind}" for kind in kinds]


@pytest.mark.parametrize(
    ("counts", "size"),
    [
        ("[1]", "n<1K"), ("[999]", "n<1K"), ("[1000]", "1K<n<10K"), ("[5000, 5000]", "10K<n<100K"),
        ("[999999999999]", "100B<n<1T"), ("[1000000000000]", "n>1T"), ("[-5]", None), ("[x, true, [1]]", None),
    ],
)  # fmt: skip
def test_sizes_add_up(counts: str, size: str | None) -> None:
    splits = ", ".join(
        f"{{name: s{n}, num_examples: {count}}}" for n, count in enumerate(counts[1:-1].split(", "))
    )
    found = [tag for tag in dataset(f"dataset_info: {{splits: [{splits}]}}").tags if "size" in tag]
    assert found == ([] if size is None else [f"size_categories:{size}"])
    stated = dataset(f"size_categories: 1M<n<10M\ndataset_info: {{splits: [{splits}]}}").tags
    assert "size_categories:1M<n<10M" in stated


def test_tags_that_name_kinds_and_libraries() -> None:
    found = dataset("tags: [audio, argilla, LeRobot, other]").tags
    assert found == (
        "modality:audio",
        "library:argilla",
        "library:lerobot",
        "region:us",
        "audio",
        "argilla",
        "LeRobot",
        "other",
    )


def test_spaces() -> None:
    card = "sdk: gradio\ntags: [mcp-server]\nlicense: MIT\nmodels: [Acme/Big, acme/big, gpt2, ./x]\ndatasets: squad"
    space = described(card, type=RepoType.SPACE)
    assert (space.sdk, space.tags) == ("gradio", ("gradio", "mcp-server", "license:mit", "region:us"))
    assert space.traits == ("~model:acme/big", "~model:gpt2", "~dataset:squad", "~linked")
    assert described("sdk: [x]", type=RepoType.SPACE).sdk is None
    assert described("sdk: nonsense", type=RepoType.SPACE).tags == ("region:us",)
