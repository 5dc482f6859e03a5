"""``datasets`` asks ``datasets-server.<hub>`` where that is a name: rows and features are those that it finds without."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest

from clients.conftest import ClientMaker
from clients.drivers import SCRIPTS, Client, Hub
from clients.pushed import push, waiting

pytestmark = pytest.mark.clients

CONFIGS = {"configs": ("one", "two")}
UNTOLD = {"ds-3": {"mixed"}, "ds-2": {"mixed", "films", "papers"}}
"""What has features that older releases do not know: they are not told of it, and do with the files what they can."""
NAMES = {"PYTHONPATH": os.pathsep.join((str(SCRIPTS), str(SCRIPTS / "names")))}
"""With these a client finds names below ``localhost``."""


def load(ids: dict[str, str], configs: dict[str, list[str]], exported: bool = False) -> dict:
    """Return what the library loads of each dataset, and whether the viewer told it anything.

    ``exported``: from the Parquet files that the viewer tells of, as releases before 4 did for datasets with scripts.
    """
    import datasets
    import loading
    from datasets import load as loaders
    from huggingface_hub import HfApi

    loading.pretend_sound()
    told = []
    asked = loaders._dataset_viewer.get_exported_dataset_infos

    def ask(*given: object, **more: object) -> object:
        answer = asked(*given, **more)
        told.append(answer)
        return answer

    loaders._dataset_viewer.get_exported_dataset_infos = ask
    if exported:
        factory = loaders.HubDatasetModuleFactoryWithParquetExport
        loaders.dataset_module_factory = lambda path, **_more: factory(
            path, commit_hash=HfApi().dataset_info(path).sha
        ).get_module()
    answers = {}
    for name, repo in ids.items():
        for config in configs.get(name, [None]):
            told.clear()
            try:
                found = datasets.load_dataset(repo, config)
                said = {split: loading.said(part) for split, part in found.items()}
            except Exception as error:  # what one way cannot load, the other must not either
                said = {"error": [type(error).__name__, type(error.__cause__).__name__, str(error)[:300]]}
            answers[name if config is None else f"{name}/{config}"] = {"said": said, "told": bool(told)}
    return answers


@pytest.fixture(scope="module")
def pushed(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Datasets of all formats, all of them published."""
    from openhood.testing.venvs import client_python

    client = Client(client_python("ds"), tmp_path_factory.mktemp("pushed"), hub, hub.tokens["alice"])
    ids: dict[str, str] = client.call(push, namespace="alice")
    deadline = time.monotonic() + 120
    while (left := client.call(waiting, ids=ids)) and time.monotonic() < deadline:
        time.sleep(1)
    assert not left
    return ids


def comparable(said: dict[str, Any]) -> Any:
    """Return what must be the same: pandas, which reads CSV, has called texts large or not in its time."""
    return json.loads(json.dumps(said).replace('"large_string"', '"string"'))


@pytest.mark.parametrize("version", ["ds", "ds-4", "ds-3", "ds-2"])
def test_rows_are_the_same_with_and_without_the_host(
    make_client: ClientMaker, pushed: dict[str, str], version: str
) -> None:
    without: dict[str, Any] = make_client(version, "alice").call(load, ids=pushed, configs=CONFIGS)
    client = make_client(version, "alice", more_env=NAMES)
    beside: dict[str, Any] = client.call(load, ids=pushed, configs=CONFIGS)
    assert not any(each["told"] for each in without.values())
    for name, each in without.items():
        assert comparable(beside[name]["said"]) == comparable(each["said"]), name
    failed = {name: each["said"] for name, each in without.items() if "error" in each["said"]}
    assert version != "ds" or failed == {}
    assert {name for name, each in beside.items() if not each["told"]} == UNTOLD.get(version, set())


def test_rows_are_the_same_from_the_files_that_the_host_tells(
    make_client: ClientMaker, pushed: dict[str, str]
) -> None:
    # Not the newest release, which reads addresses of the web with a package that it does not bring along.
    direct: dict[str, Any] = make_client("ds", "alice").call(load, ids=pushed, configs=CONFIGS)
    client = make_client("ds-4", "alice", more_env=NAMES)
    exported: dict[str, Any] = client.call(load, ids=pushed, configs=CONFIGS, exported=True)
    for name, each in direct.items():
        assert exported[name]["said"] == each["said"], name
        assert exported[name]["told"], name
