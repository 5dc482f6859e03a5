"""Noting downloads where a file is read: what counts as one, and for whom.

Nothing is written here; `discovery.downloads` adds what was noted to the rows now and then.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from openhood.base.names import RepoType
from openhood.domain import links
from openhood.domain.access import Viewer
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.engines.formats.vocabulary import libraries

# The Hub counts requests for these files of a model, of which every load asks for one (hub-docs
# `models-download-stats`), unless the model's library has rules of its own.
_QUERY_FILES = frozenset({"config.json", "config.yaml", "hyperparams.yaml", "params.json", "meta.yaml"})
# The Hub keeps the rules of this library outside the published list (the same page).
_DIFFUSERS_FILES = frozenset({"model_index.json", "modular_model_index.json"})
_DIFFUSERS_WEIGHTS = (".safetensors", ".ckpt", ".bin")
# What `huggingface_hub` says of the machine; the rest of its agent differs from one file to the next
# (``file_type/config``, ``session_id/…``).
_OF_MACHINE = ("hf_hub/", "python/")
_DAY_S = 86_400
_VISITOR_BYTES = 8


@dataclass(frozen=True, slots=True)
class Client:
    """The program that asks: its address, its ``User-Agent``, and whether it says that it downloads.

    ``is_marked``: it sent ``X-HF-Download-Counter: 1``, as huggingface_hub does (1.33, 2.4) with all that it asks
    within ``hf_hub_download`` and ``snapshot_download`` (``utils/_http.py::flag_as_download_call``).
    """

    address: str
    agent: str
    is_marked: bool


def note(sv: Services, viewer: Viewer, repo: Repo, path: str, *, client: Client) -> None:
    """Note a request for a file, GET or HEAD, if it is one that counts."""
    if counts(repo, path, is_marked=client.is_marked):
        _note(sv, viewer, repo, client)


def note_grant(sv: Services, viewer: Viewer, repo: Repo, *, client: Client) -> None:
    """Note that a client was let at the chunks of a repository, which it may do without asking for any file.

    An unmarked one may count for a dataset only: of a model, an older client asks for ``config.json`` too.

    **Source**: huggingface_hub ``_snapshot_download.py`` goes from the tree to ``xet-read-token``.
    """
    if repo.type is RepoType.DATASET or (repo.type is RepoType.MODEL and client.is_marked):
        _note(sv, viewer, repo, client)


def counts(repo: Repo, path: str, *, is_marked: bool) -> bool:
    """Tell whether a request for a file counts as a download of its repository.

    **Source**: hub-docs ``models-download-stats``, ``datasets-download-stats``; ``countDownloads`` of
    ``@huggingface/tasks``. Spaces have no downloads on the Hub.
    """
    if repo.type is RepoType.SPACE:
        return False
    if is_marked or repo.type is RepoType.DATASET:
        return True
    return path.endswith(".gguf") or _is_query_file(repo.library_name, path)


def _is_query_file(library_name: str | None, path: str) -> bool:
    if library_name == "diffusers":
        return path in _DIFFUSERS_FILES or ("/" not in path and path.endswith(_DIFFUSERS_WEIGHTS))
    library = None if library_name is None else libraries().get(library_name)
    if library is None or not library.count_rules:
        return path in _QUERY_FILES
    return any(rule.matches(path) for rule in library.count_rules)


def _note(sv: Services, viewer: Viewer, repo: Repo, client: Client) -> None:
    at_s = sv.clock.now().timestamp()
    # The address itself is never kept, and its number is another one every day.
    who = f"user:{viewer.user_id}"
    if viewer.user_id is None:
        who = f"{client.address}|{_machine(client.agent)}"
    digest = hashlib.blake2b(
        who.encode("utf-8", "surrogateescape"),
        digest_size=_VISITOR_BYTES,
        key=links.derive_key(sv, purpose=f"download visitors of day {int(at_s // _DAY_S)}"),
    ).digest()
    sv.downloads.note(repo.id, int.from_bytes(digest, signed=True), at_s=at_s)


def _machine(agent: str) -> str:
    """Return what stays the same in the agent of one client."""
    parts = [part.strip() for part in agent.split(";")]
    said = [part for part in parts if part.startswith(_OF_MACHINE)]
    return "; ".join(said) if said else agent
