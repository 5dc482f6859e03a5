"""Layouts of dataset repositories, as card and paths: those that people have, odd ones, and random ones."""

from __future__ import annotations

import random

Layout = tuple[str, list[str]]

_C = "configs:\n"


def _card(*configs: str) -> str:
    return _C + "\n".join(f"- {config}" for config in configs)


CHOSEN: list[Layout] = [
    ("", []),
    ("", ["README.md", "LICENSE", ".gitattributes"]),
    ("", ["data.csv"]),
    ("", ["train.csv", "test.csv", "validation.csv"]),
    ("", ["train.csv", "dev.csv", "eval.csv"]),
    ("", ["my_train_file.csv", "dev1.csv", "testfile.csv", "training-2.csv"]),
    ("", ["train_train.csv", "test.csv"]),
    ("", ["train/training/x.csv", "train/y.csv", "test/x.csv"]),
    ("", ["train-test.csv", "train.csv"]),
    ("", ["data/train/a.csv", "data/train/b.csv", "data/eval/c.csv"]),
    ("", ["train-1/test/a.csv", "x_train/b.csv", "x_train_y/c.csv", "trainx/d.csv"]),
    ("", ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/rare-00000-of-00001.parquet"]),
    ("", ["data/train-00000-of-00002-abcdef.parquet", "data/test-00000-of-00001-1234.parquet", "data/other.parquet"]),
    ("", ["data/a.b-00000-of-00001.parquet", "data/validation-00000-of-00001.parquet"]),
    ("", ["data/a-b-00000-of-00001.parquet"]),
    ("", ["data/x-00000-of-00001-00000-of-00002.parquet"]),
    ("", ["data/train-00000-of-00001.parquet", "data/test-00000-of-00001.csv"]),
    ("", ["data/train-0000-of-0001.parquet", "data/test-0000-of-0001.parquet"]),
    ("", ["sub/data/train-00000-of-00001.parquet"]),
    ("", ["a.jsonl", ".hidden/b.jsonl", "__pycache__/c.jsonl", "README.md", "dataset_infos.json.x", "config.json"]),
    ("", ["a.parquet", "b.csv"]),
    ("", ["a.csv", "b.csv", "c.parquet"]),
    ("", ["a.txt", "b.jsonl", "c.json"]),
    ("", ["a.csv.gz", "b.csv.gz"]),
    ("", ["a.jsonl.zst", "b.txt.xz", "c.txt.bz2"]),
    ("", ["train.tar.gz", "test.tar.gz"]),
    ("", ["shard-0.tar", "shard-1.tar"]),
    ("", ["csv__train.zip", "csv__test.zip"]),
    ("", ["jpg_jpg_txt__images.zip"]),
    ("", ["jpg_png_png__a.zip", "x.csv"]),
    ("", ["none__a.zip"]),
    ("", ["a.jpg", "b.JPG", "c.Jpg"]),
    ("", ["train/cat/1.jpg", "train/dog/2.png", "test/cat/3.jpg"]),
    ("", ["images/1.jpg", "images/2.jpg", "metadata.csv"]),
    ("", ["train/metadata.jsonl", "train/1.png", "test/metadata.jsonl", "test/1.png"]),
    ("", ["metadata.csv", "1.csv"]),
    ("", ["metadata.parquet", "a.wav", "b.wav"]),
    ("", ["metadata.csv"]),
    ("", ["a.mp4", "b.MOV", "c.avi"]),
    ("", ["a.webm"]),
    ("", ["a.pdf", "metadata.jsonl"]),
    ("", ["a.glb", "b.ply"]),
    ("", ["a.nii", "b.nii.gz"]),
    ("", ["a.tsv"]),
    ("", ["a.tsv", "b.csv"]),
    ("", ["train.tsv", "test.csv"]),
    ("", ["train.json", "test.jsonl"]),
    ("", ["a.md"]),
    ("", ["CHANGELOG.md", "data.csv"]),
    ("", ["CHANGELOG.md", "docs/x.md", "data.csv"]),
    ("", ["tasks/one/task.toml", "tasks/one/instruction.md", "tasks/one/tests/test.sh"]),
    ("", ["logs/a.eval", "data.csv"]),
    ("", ["x.fasta", "y.fa"]),
    ("", ["x.cif", "y.pdb"]),
    ("", ["x.conllu"]),
    ("", ["x.h5"]),
    ("", ["x.arrow", "state.json", "dataset_info.json"]),
    ("", ["train/data-00000-of-00002.arrow", "train/data-00001-of-00002.arrow", "train/state.json", "test/data-00000-of-00001.arrow", "test/state.json", "dataset_dict.json"]),
    ("", ["test/run.sh", "data.csv"]),
    ("", ["scripts/train.py", "data.csv"]),
    ("", ["train.py", "a.csv"]),
    ("", ["data.csv.d/notes.txt", "a.csv"]),
    ("", ["a b/train 1.csv", "a b/test 2.csv"]),
    ("", ["valid.csv", "validation.csv", "val.csv", "train.csv"]),
    ("", ["evaluation/x.json", "training/x.json", "testing/y.json"]),
    ("", ["TRAIN.csv", "Test.csv"]),
    ("", ["train", "test.csv"]),
    ("", ["train2020.csv", "test2020.csv"]),
    ("", ["2020train.csv", "a/2020-test.csv"]),
    ("", [f"data/part-{number:05d}.parquet" for number in range(12)]),
    (_card("{config_name: default, data_files: data.csv}"), ["data.csv", "other.csv"]),
    (_card("{config_name: default, data_files: '*.csv'}"), ["data.csv", "other.csv", "a/b.csv"]),
    (_card("{config_name: default, data_files: [a.csv, 'b/*.csv']}"), ["a.csv", "b/1.csv", "b/2.csv"]),
    (_card("{config_name: default, data_files: ['*.csv', 'a.*']}"), ["a.csv", "b.csv"]),
    (_card("{config_name: c, data_files: [{split: train, path: a.csv}, {split: test, path: [b.csv, c.csv]}]}"), ["a.csv", "b.csv", "c.csv"]),
    (_card("{config_name: c, data_files: [{split: my.split, path: a.csv}]}"), ["a.csv"]),
    (_card("{config_name: c, data_files: [{split: my-split, path: a.csv}]}"), ["a.csv"]),
    (_card("{config_name: c, data_files: {train: a.csv}}"), ["a.csv"]),
    (_card("{config_name: c, data_files: [{split: train, path: a.csv}, {split: train, path: b.csv}]}"), ["a.csv", "b.csv"]),
    (_card("{config_name: c, data_files: [{split: train, path: a.csv}, b.csv]}"), ["a.csv", "b.csv"]),
    (_card("{config_name: c, data_files: missing.csv}"), ["a.csv"]),
    (_card("{config_name: c, data_files: 'missing*.csv'}"), ["a.csv"]),
    (_card("{config_name: a, data_files: a.csv}", "{config_name: b, data_files: missing.csv}"), ["a.csv"]),
    (_card("{config_name: a, data_files: a.csv}", "{config_name: b, data_files: 'missing*.csv'}"), ["a.csv"]),
    (_card("{config_name: a, data_files: a.csv}", "{config_name: b, data_files: b.jsonl}"), ["a.csv", "b.jsonl"]),
    (_card("{config_name: a, data_dir: a}", "{config_name: b, data_dir: b}"), ["a/1.csv", "a/test/2.csv", "b/train.csv", "b/dev.csv"]),
    (_card("{config_name: a, data_dir: a/}", "{config_name: b, data_dir: b, default: true}"), ["a/1.csv", "b/2.csv"]),
    (_card("{config_name: a, data_dir: a, data_files: '*.csv'}"), ["a/1.csv", "2.csv"]),
    (_card("{config_name: a, data_dir: nowhere}"), ["a/1.csv"]),
    (_card("{config_name: a, data_dir: a}"), ["a/data/train-00000-of-00001.parquet", "a/data/test-00000-of-00001.parquet"]),
    (_card("{config_name: a, data_dir: b, data_files: [{split: dev, path: '**/two.csv'}]}"), ["b/test/two.csv", "b/two.csv", "two.csv"]),
    (_card("{config_name: a, data_files: a.csv, default: true}", "{config_name: default, data_files: b.csv}"), ["a.csv", "b.csv"]),
    (_card("{config_name: a, data_files: a.csv, default: true}", "{config_name: b, data_files: b.csv, default: true}"), ["a.csv", "b.csv"]),
    (_card("{config_name: a, data_files: a.csv, default: false}", "{config_name: default, data_files: b.csv}"), ["a.csv", "b.csv"]),
    (_card("{data_files: a.csv}"), ["a.csv"]),
    (_card("{config_name: 'a/b', data_files: a.csv}"), ["a.csv"]),
    (_card("{config_name: a, data_files: '**.csv'}"), ["a.csv"]),
    (_card("{config_name: a, data_files: 'a/**'}"), ["a/1.csv", "a/b/2.csv", "a/.h/3.csv", "a/__x/4.csv", "a/README.md"]),
    (_card("{config_name: a, data_files: '.h/*'}"), [".h/1.csv", ".h/.i/2.csv"]),
    (_card("{config_name: a, data_files: '__x/*'}"), ["__x/1.csv"]),
    (_card("{config_name: a, data_files: 'a/[0-1]*.csv'}"), ["a/0.csv", "a/12.csv", "a/2.csv"]),
    (_card("{config_name: a, data_files: 'a/[!0]?.csv'}"), ["a/01.csv", "a/12.csv", "a/2.csv"]),
    (_card("{config_name: a, data_files: '*/*/x.csv'}"), ["a/b/x.csv", "a/x.csv", "a/b/c/x.csv"]),
    (_card("{config_name: a, data_files: '**/x/*.csv'}"), ["a/b/x/1.csv", "x/2.csv", "x/y/3.csv"]),
    (_card("{config_name: a, data_files: a}"), ["a/1.csv"]),
    (_card("{config_name: a, data_files: 'a*'}"), ["a/1.csv", "a2.csv"]),
    (_card("{config_name: a, data_files: README.md}"), ["a.csv"]),
    (_card("{config_name: a, data_files: config.json}"), ["config.json", "x/config.json"]),
    (_card("{config_name: a, data_files: '**/config.json'}"), ["config.json", "x/config.json"]),
    (_card("{config_name: a, data_files: '*.json'}"), ["config.json", "x.json"]),
    (_card("{config_name: a, data_files: a.csv, sep: ';', nonsense: 1}", "{config_name: b, data_files: b.csv, skiprows: 2}"), ["a.csv", "b.csv"]),
    (_card("{config_name: a, data_files: a.tsv}"), ["a.tsv"]),
    (_card("{config_name: a, data_files: a.jsonl, field: x}"), ["a.jsonl"]),
    (_card("{config_name: a, data_dir: img, drop_labels: true}"), ["img/a/1.jpg", "img/b/2.jpg", "img/metadata.csv", "img/notes.txt"]),
    (_card("{config_name: a, data_files: 'img/*'}"), ["img/1.jpg", "img/metadata.jsonl"]),
    (_card("{config_name: a, data_files: []}"), ["a.csv"]),
    (_card("{config_name: a, data_files: 5}"), ["a.csv"]),
    (_card("{config_name: a, data_files: a.csv, features: [{name: x, dtype: int64}, {name: y, list: string}]}"), ["a.csv"]),
    ("configs: 5", ["a.csv"]),
    ("configs: []", ["a.csv"]),
    ("dataset_info: {features: [{name: a, dtype: int64}, {name: b, struct: [{name: c, dtype: string}]}, {name: l, dtype: {class_label: {names: {'0': neg, '1': pos}}}}, {name: i, dtype: image}, {name: s, sequence: float32}, {name: t, sequence: [{name: u, dtype: string}]}, {name: v, list: [{name: w, dtype: 'timestamp[us]'}]}, {name: au, dtype: {audio: {sampling_rate: 16000}}}, {name: tr, dtype: {translation: {languages: [de, en]}}}, {name: ar, dtype: {array2_d: {shape: [2, 3], dtype: float32}}}], splits: [{name: train, num_bytes: 1, num_examples: 5}]}", ["a.csv"]),
    ("dataset_info:\n- config_name: x\n  features: [{name: a, dtype: int64}]\n" + _card("{config_name: x, data_files: a.csv}", "{config_name: y, data_files: b.csv}"), ["a.csv", "b.csv"]),
    ("dataset_info: {config_name: other, features: [{name: a, dtype: int64}]}", ["a.csv"]),
]  # fmt: skip

_FOLDERS = ["", "", "data/", "train/", "test/", "a/", "a/b/", "x_train/", "eval-1/", ".h/", "__p/", "dev/sub/", "images/cat/", "images/dog/"]  # fmt: skip
_NAMES = ["train", "test", "validation", "val_1", "x-train", "part-0", "part-1", "a.train.b", "metadata", "train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001", "notes", "dev2", "1", "2"]  # fmt: skip
_ENDINGS = ["csv", "csv", "csv", "jsonl", "json", "parquet", "parquet", "txt", "jpg", "jpg", "JPG", "png", "wav", "tsv", "csv.gz", "md", "py", "tar"]  # fmt: skip
_PATTERNS = ["*.csv", "**/*.csv", "train/*", "data/*", "a/**", "**", "*", "*/train*", "data/train-*", "x.csv", "images/*/*.jpg", "[a-x]*", "**/*", "a/b/*.*"]  # fmt: skip


def random_layouts(count: int, seed: int = 7) -> list[Layout]:
    """Return made-up layouts, the same each time."""
    chance = random.Random(seed)
    found = []
    for _number in range(count):
        kinds = chance.sample(_ENDINGS, k=chance.choice([1, 1, 1, 2, 3]))
        folders = chance.sample(_FOLDERS, k=chance.choice([1, 2, 3]))
        paths = sorted(
            {
                f"{chance.choice(folders)}{chance.choice(_NAMES)}.{chance.choice(kinds)}"
                for _file in range(chance.choice([1, 2, 4, 8, 12]))
            }
        )
        card = ""
        if chance.random() < 0.4:
            configs = []
            for number in range(chance.choice([1, 1, 2, 3])):
                what = chance.choice(["data_dir", "data_files", "data_files", "splits"])
                if what == "data_dir":
                    configs.append(
                        f"{{config_name: c{number}, data_dir: {chance.choice(['data', 'a', 'train', 'images'])}}}"
                    )
                elif what == "data_files":
                    configs.append(f"{{config_name: c{number}, data_files: '{chance.choice(_PATTERNS)}'}}")
                else:
                    first, second = chance.sample(_PATTERNS, k=2)
                    configs.append(
                        f"{{config_name: c{number}, data_files: [{{split: train, path: '{first}'}}, "
                        f"{{split: test, path: ['{second}', '{first}']}}]}}"
                    )
            card = _card(*configs)
        found.append((card, paths))
    return found


LAYOUTS = [*CHOSEN, *random_layouts(400)]
