"""Uploading and downloading a large file with the real Xet client, next to a hub reduced to storing and returning bytes.

The client is the newest ``huggingface_hub`` with ``hf_xet`` in an environment of its own, started anew with an empty
cache each time; its own start is not counted. It shares the processors with what it talks to.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench import peers, xetcontent
from bench.plan import Plan
from bench.report import Line
from bench.site import TOKEN, Site
from openhood.testing.processes import clean_environment
from openhood.testing.venvs import client_python

GOAL = 1.3
_SCRIPT = """
import json, sys, time
from huggingface_hub import HfApi
job = json.loads(sys.argv[1])
api = HfApi(endpoint=job["url"])
begun = time.perf_counter()
if job["what"] == "upload":
    api.upload_file(path_or_fileobj=job["file"], path_in_repo=job["name"], repo_id=job["repo"])
else:
    api.hf_hub_download(job["repo"], job["name"], local_dir=job["file"])
print(json.dumps(time.perf_counter() - begun))
"""


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure."""
    repo = site.create("client")
    python = client_python("hub-2.4")
    with (
        peers.floor(directory / "unsynced", syncs=False) as unsynced,
        peers.floor(directory / "synced", syncs=True) as synced,
    ):
        targets = {"hub": site.url, "stores and returns": unsynced, "the same with fsync": synced}
        for kind in plan.client_kinds:
            taken: dict[str, dict[str, list[float]]] = {
                what: {name: [] for name in targets} for what in ("upload", "download")
            }
            for number in range(plan.rounds):
                _round(targets, repo, kind, number, plan, directory, python, taken)
            for what, values in taken.items():
                for peer in list(targets)[1:]:
                    yield Line(
                        f"hf_xet {what} of {plan.large}, {kind}",
                        "s",
                        goal=GOAL,
                        peer_label=peer,
                        hub=values["hub"],
                        peer=values[peer],
                    )


def _round(
    targets: dict[str, str],
    repo: str,
    kind: str,
    number: int,
    plan: Plan,
    directory: Path,
    python: Path,
    taken: dict[str, dict[str, list[float]]],
) -> None:
    """Let everybody have a turn with a new file, another one beginning each time."""
    source, target = directory / "large.bin", directory / "down"
    seed = 100 * list(xetcontent.KINDS).index(kind) + number
    source.write_bytes(xetcontent.make(kind, 1000 + seed, plan.large_mib * 1024 * 1024))
    first = number % len(targets)
    order = [*list(targets)[first:], *list(targets)[:first]]
    for what in taken:
        for name in order:
            job = {"url": targets[name], "what": what, "repo": repo, "name": f"{seed}.bin"}
            job["file"] = str(source if what == "upload" else target)
            os.sync()  # what others wrote must not be paid for here
            taken[what][name].append(call(python, directory / "home", job))
            if what == "download":
                _compare(source, target / f"{seed}.bin")
                shutil.rmtree(target)
    source.unlink()
    for name in ("unsynced", "synced"):
        for path in (directory / name).glob("?" * 64):
            path.unlink()


def call(python: Path, home: Path, job: dict[str, str]) -> float:
    """Run the client once in a new home and return how long it took."""
    home.mkdir()
    environment = {
        **clean_environment(),
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "NO_PROXY": "127.0.0.1",
    }
    try:
        done = subprocess.run(
            [str(python), "-c", _SCRIPT, json.dumps(job)],
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(home)
    if done.returncode:
        raise RuntimeError(f"{job}: {done.stderr[-3000:]}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def _compare(left: Path, right: Path) -> None:
    if subprocess.run(["cmp", "--silent", str(left), str(right)], check=False).returncode:
        raise RuntimeError(f"{right} is not what was uploaded")


def upload(site: Site, repo: str, directory: Path, source: Path, name: str) -> None:
    """Put a file into a repository with the client."""
    job = {"url": site.url, "what": "upload", "repo": repo, "name": name, "file": str(source)}
    call(client_python("hub-2.4"), directory / "home", job)
