"""Configs and splits of layouts: the answers of the ``datasets`` library, written down by `clients/scripts/ds_layouts.py`.

The client test `test_viewer_layouts` asks the library itself again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from openhood.base.errors import BadDatasetConfig, HubError, TooManyConfigs, TooManySplits
from openhood.domain.repos.describing import datafiles, modules
from openhood.domain.repos.describing.globs import BadPattern, PathSet
from openhood.engines.formats.card import read_card
from openhood.engines.tables.features import normal
from unit.layouts import LAYOUTS, Layout

ANSWERS = Path(__file__).with_name("layouts.json")


def names_in(paths: Sequence[str]) -> list[str]:
    """Return the names in archives as `ds_layouts` makes them: ``jpg_png__x.zip`` says what it holds."""
    return [
        f"inner/{number}.{ending}"
        for path in paths
        for number, ending in enumerate(path.rpartition("/")[2].split("__")[0].split("_"))
    ]


def found_in(layout: Layout) -> dict[str, Any]:
    """Return what we find, in the form of `ds_layouts`."""
    written, paths = layout
    card: Mapping[str, object] = (read_card(f"---\n{written}\n---\n".encode()) if written else None) or {}
    known = [*paths, *(["README.md"] if written and "README.md" not in paths else [])]
    try:
        configs = datafiles.configs_of(card, known, list_archive=names_in)
    except HubError as error:
        return {"error": type(error).__name__}
    return {
        "module": configs[0].module,
        "default": next((config.name for config in configs if config.is_default), None),
        "configs": {
            config.name: {
                "splits": None
                if config.error and not config.splits
                else {split.name: list(split.files) for split in config.splits},
                "options": dict(config.options),
                "features": None
                if config.features is None
                else {name: normal(feature) for name, feature in config.features.items()},
            }
            for config in configs
        },
    }


def check(layout: Layout, wanted: Mapping[str, Any]) -> None:
    """Compare what we find with what the library found."""
    found = found_in(layout)
    if "error" in wanted:
        assert "error" in found
        return
    assert "error" not in found, found
    assert found["module"] == wanted["module"]
    # Without configs the library's default is the only name of ``dataset_info``, under which it then finds nothing.
    if "config_name" in layout[0] and "configs:" in layout[0]:
        assert found["default"] == wanted["default"]
    assert list(found["configs"]) == list(wanted["configs"])
    for name, config in wanted["configs"].items():
        ours = found["configs"][name]
        assert ours["splits"] == config["splits"]
        assert list(ours["splits"] or ()) == list(config["splits"] or ())
        assert ours["features"] == config["features"]
        assert config["options"].items() <= ours["options"].items()


@pytest.fixture(scope="module")
def answers() -> list[dict[str, Any]]:
    """What the library said of `LAYOUTS`."""
    read: list[dict[str, Any]] = json.loads(ANSWERS.read_text(encoding="utf-8"))
    assert len(read) == len(LAYOUTS)
    return read


def test_layouts_are_read_as_the_library_reads_them(answers: list[dict[str, Any]]) -> None:
    for layout, wanted in zip(LAYOUTS, answers, strict=True):
        try:
            check(layout, wanted)
        except AssertionError as error:
            raise AssertionError(f"{layout}: {error}") from error
    assert sum("error" not in wanted for wanted in answers) > 250


@pytest.mark.parametrize(
    ("card", "paths"),
    [
        ("configs: [{config_name: a, data_files: 'https://example.org/x.csv'}]", ["a.csv"]),
        ("configs: [{config_name: a, data_files: '/etc/passwd'}]", ["a.csv"]),
        ("configs: [{config_name: a, data_files: '../x.csv'}]", ["a.csv", "x.csv"]),
        ("configs: [{config_name: a, data_files: 'zip://*.csv::a.zip'}]", ["a.zip"]),
        ("configs: [{config_name: a, data_files: 'hf://datasets/x/y/a.csv'}]", ["a.csv"]),
        ("configs: [{config_name: 5, data_files: a.csv}]", ["a.csv"]),
        ("configs: [5, [a]]", ["a.csv"]),
        ("configs: [{config_name: a, data_files: [{split: train, path: [{x: y}]}]}]", ["a.csv"]),
        (f"configs: [{{config_name: a, data_files: '{'*' * 600}'}}]", ["a.csv"]),
    ],
)
def test_what_lies_outside_or_is_nonsense_is_refused(card: str, paths: list[str]) -> None:
    assert "error" in found_in((card, paths))


def test_dots_that_mean_this_folder() -> None:
    found = found_in(
        ("configs: [{config_name: a, data_files: './b/*.csv', data_dir: ./x}]", ["b/0.csv", "x/b/1.csv"])
    )
    assert found["configs"]["a"]["splits"] == {"train": ["x/b/1.csv"]}


def test_too_many_configs_and_splits() -> None:
    many = [
        {"config_name": f"c{number}", "data_files": "a.csv"} for number in range(datafiles.MAX_CONFIGS + 1)
    ]
    with pytest.raises(TooManyConfigs, match="4001 configs"):
        datafiles.configs_of({"configs": many}, ["a.csv"])
    splits = [{"split": f"s{number}", "path": "a.csv"} for number in range(datafiles.MAX_SPLITS + 1)]
    with pytest.raises(TooManySplits, match="31 splits"):
        datafiles.configs_of({"configs": [{"config_name": "a", "data_files": splits}]}, ["a.csv"])


def test_archives_are_not_looked_into_where_nobody_can() -> None:
    with pytest.raises(HubError):
        datafiles.configs_of({}, ["csv__a.zip"])


def test_an_old_file_of_infos_declares_the_columns() -> None:
    legacy = {"someone--name": {"features": {"a": {"dtype": "int64", "_type": "Value"}}}}
    (config,) = datafiles.configs_of({}, ["a.csv"], legacy_infos=legacy)
    assert config.features == {"a": {"dtype": "int64", "_type": "Value"}}


def test_features_that_nobody_understands_are_passed_over() -> None:
    (config,) = datafiles.configs_of({"dataset_info": {"features": [{"name": "a", "wrong": 5}]}}, ["a.csv"])
    assert config.features is None


@pytest.mark.parametrize(
    "layout",
    [
        ("", [f"train/{number // 100}/image-{number:05d}.jpg" for number in range(10_000)]),
        ("", [f"data/train-{number:05d}-of-10000.parquet" for number in range(10_000)]),
        ("", [f"part-{number:05d}.jsonl.gz" for number in range(10_000)]),
        (
            "configs: [{config_name: a, data_files: '**/*.csv'}]",
            [f"x/{n % 97}/t{n}.csv" for n in range(10_000)],
        ),
    ],
)
def test_ten_thousand_files_are_one_split(layout: Layout) -> None:
    found = found_in(layout)
    assert sum(len(files) for files in next(iter(found["configs"].values()))["splits"].values()) == 10_000


ODD_NAMES = [
    *("data/a.png", "data/B.PNG", "a.png.d/b", "a.png.d/b.c/d", "data/a.png.bak", ".png", "x/.png", "png"),
    *("a\nb.png", "a.png\n", "a/metadata.csv", "a\nb/metadata.csv", "metadata.csv", "not_metadata.csv"),
    *(
        "v1.0/a.png",
        "v1.0/notes.md",
        "a.tar.zip",
        "a.zip.png",
        "a.Png",
        "a.zip",
        "metadata.csv.png",
        "metadata.csv/a",
    ),
]


IMAGES_AMONG_THEM = [
    *("data/a.png", "data/B.PNG", "a.png.d/b", "a.png.d/b.c/d", "data/a.png.bak", ".png", "x/.png"),
    *("a.png\n", "a/metadata.csv", "metadata.csv", "not_metadata.csv"),
    *("v1.0/a.png", "a.tar.zip", "a.zip.png", "a.zip", "metadata.csv.png"),
]


def test_odd_names_of_images() -> None:
    assert modules.of_module("imagefolder", ODD_NAMES) == IMAGES_AMONG_THEM
    for path in ODD_NAMES:
        assert modules.of_module("imagefolder", [path]) == ([path] if path in IMAGES_AMONG_THEM else [])
    rows, metadata = modules.sorted_out("imagefolder", ODD_NAMES, {})
    assert metadata == ["a/metadata.csv", "a\nb/metadata.csv", "metadata.csv"]
    assert rows == [
        *("data/a.png", "data/B.PNG", "data/a.png.bak", ".png", "x/.png", "a\nb.png"),
        *("v1.0/a.png", "a.tar.zip", "a.zip.png", "a.Png", "a.zip", "metadata.csv.png"),
    ]


def test_numbers_in_names_make_no_difference() -> None:
    names = [f"x/{start}train{number}-part.csv" for start in ("", "7", "83_") for number in (0, 5, 12)]
    names += [f"x/part{number}.test{number}.csv" for number in (1, 2, 34)]
    (config,) = datafiles.configs_of({}, names)
    assert {split.name: sorted(split.files) for split in config.splits} == {
        "train": sorted(name for name in names if "train" in name),
        "test": sorted(name for name in names if "test" in name),
    }


def test_hostile_patterns_end_soon() -> None:
    known = PathSet([f"{'a' * 100}/{'a' * 100}/{number}.csv" for number in range(2_000)], budget=5_000_000)

    def match_many() -> None:
        for number in range(50):
            known.matching(f"**/{'*a' * 50}*/{'*a' * 50}*.x{number}")

    with pytest.raises(BadPattern, match="too many patterns"):
        match_many()


def test_a_split_named_twice_is_refused() -> None:
    twice = [{"split": "train", "path": "a.csv"}, {"split": "train", "path": "b.csv"}]
    with pytest.raises(BadDatasetConfig, match="twice"):
        datafiles.configs_of({"configs": [{"config_name": "c", "data_files": twice}]}, ["a.csv", "b.csv"])
