"""Ask the ``datasets`` library what it makes of layouts of repositories: which files are which split of which config.

Reads ``[[card, [path, …]], …]`` from the file named first, writes what it found for each to the second as JSON:
``{"configs": {name: {"splits": {split: [path, …]} or null, "options": {…}, "features": {…} or null}}, "module",
"default"}``, or ``{"error": class}``. A path that ends in ``.zip`` becomes an archive of what ``zip`` says it holds.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("HF_HOME", tempfile.mkdtemp())

from datasets.load import LocalDatasetModuleFactory, get_dataset_builder_class

logging.disable(logging.CRITICAL)
PLAIN = {"name", "version", "data_dir", "data_files", "description", "features"}


def build(root: Path, card: str, paths: list[str]) -> None:
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith(".zip"):
            with zipfile.ZipFile(file, "w") as archive:
                # The archive's name says what it holds: ``jpg_png__x.zip``.
                for number, ending in enumerate(file.name.split("__")[0].split("_")):
                    archive.writestr(f"inner/{number}.{ending}", "")
        else:
            file.write_bytes(b"")
    if card:
        (root / "README.md").write_text(f"---\n{card}\n---\n", encoding="utf-8")


def options(config: object) -> dict:
    found = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        made = field.default_factory is not dataclasses.MISSING
        if field.name not in PLAIN and value != (field.default_factory() if made else field.default):
            found[field.name] = value if isinstance(value, str | int | float | bool | list) else repr(value)
    return found


def ask(root: Path) -> dict:
    module = LocalDatasetModuleFactory(str(root)).get_module()
    chosen = get_dataset_builder_class(module, dataset_name="dataset")
    infos = module.dataset_infos or {}
    found = {}
    for name, config in chosen.builder_configs.items():
        features = getattr(config, "features", None)
        if name in infos and infos[name].features is not None:
            features = infos[name].features
        try:
            config._resolve_data_files(str(root), None)
            splits = {
                str(split): [os.path.relpath(path, root) for path in files]
                for split, files in config.data_files.items()
            }
        except Exception:
            splits = None
        found[name] = {
            "splits": splits,
            "options": options(config),
            "features": None if features is None else features.to_dict(),
        }
    default = module.builder_configs_parameters.default_config_name
    return {"module": module.module_path.rpartition(".")[2], "default": default, "configs": found}


def main() -> None:
    answers = []
    for card, paths in json.loads(Path(sys.argv[1]).read_text()):
        root = Path(tempfile.mkdtemp()).resolve() / "dataset"
        root.mkdir()
        build(root, card, paths)
        try:
            answers.append(ask(root))
        except Exception as error:
            answers.append({"error": type(error).__name__})
        shutil.rmtree(root.parent)
    Path(sys.argv[2]).write_text(json.dumps(answers))


main()
