"""How a repository looks in JSON: every key the Hub has for a type, and which of them each answer holds.

A key whose value is unknown is left out, since clients tell absent from null badly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from openhood.base.errors import BadRequest
from openhood.base.names import RepoType
from openhood.domain.discovery.lineage import Links
from openhood.domain.repos.listing import RepoInfo, Sibling
from openhood.http.replies import moment

Show = Callable[[RepoInfo], object]

_SLUG = re.compile(r"[^a-z0-9]+")
# Spaces are kept here as repositories: none of them runs.
_RUNTIME = {"stage": "STOPPED", "hardware": {"current": None, "requested": None}, "storage": None}


def _card(info: RepoInfo, key: str) -> object:
    card = info.listed.tip.card
    return None if card is None else card.get(key)


def _card_list(info: RepoInfo, key: str) -> list[str]:
    value = _card(info, key)
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _extra(info: RepoInfo, key: str) -> object:
    return info.listed.tip.extras.get(key)


def _weights(info: RepoInfo, kind: str) -> object:
    """Return what the headers of main's files of weights say; of another commit that is not known."""
    return None if info.listed.weights is None else info.listed.weights.get(kind)


def _sibling(sibling: Sibling) -> dict[str, object]:
    shown: dict[str, object] = {"rfilename": sibling.path}
    if sibling.blob is not None:
        shown |= {"blobId": sibling.oid, "size": sibling.blob.size_bytes}
        pointer = sibling.blob.pointer
        if pointer is not None:
            shown["lfs"] = {
                "sha256": pointer.oid,
                "size": pointer.size_bytes,
                "pointerSize": sibling.blob.blob_bytes,
            }
    return shown


def _siblings(info: RepoInfo) -> object:
    return None if info.siblings is None else [_sibling(sibling) for sibling in info.siblings]


def _subdomain(info: RepoInfo) -> str:
    return _SLUG.sub("-", str(info.repo.repo_id).lower()).strip("-")


_COMMON: Mapping[str, Show] = {
    "_id": lambda info: info.repo.hex_id,
    "id": lambda info: str(info.repo.repo_id),
    "author": lambda info: info.repo.repo_id.namespace,
    "sha": lambda info: info.commit,
    "lastModified": lambda info: moment(info.repo.last_modified),
    "createdAt": lambda info: moment(info.repo.created_at),
    "private": lambda info: info.repo.is_private,
    "gated": lambda info: info.repo.gated or False,
    "disabled": lambda info: info.repo.is_disabled,
    "likes": lambda info: info.listed.likes,
    "trendingScore": lambda info: info.listed.trending_score,
    "tags": lambda info: list(info.listed.tip.tags),
    "cardData": lambda info: info.listed.tip.card,
    "siblings": _siblings,
    "usedStorage": lambda info: info.listed.used_storage_bytes,
    "resourceGroup": lambda info: None,
    "region": lambda info: "us",
    "gitalyUid": lambda info: info.repo.hex_id,
    "xetEnabled": lambda info: True,
}
_COUNTED: Mapping[str, Show] = {
    "downloads": lambda info: info.listed.downloads,
    "downloadsAllTime": lambda info: info.listed.downloads_all_time,
}
_MODEL: Mapping[str, Show] = {
    "modelId": lambda info: str(info.repo.repo_id),
    "pipeline_tag": lambda info: info.listed.tip.pipeline_tag,
    "library_name": lambda info: info.listed.tip.library_name,
    "config": lambda info: info.listed.tip.config,
    "transformersInfo": lambda info: _extra(info, "transformersInfo"),
    "widgetData": lambda info: _extra(info, "widgetData"),
    "mask_token": lambda info: _extra(info, "mask_token"),
    "model-index": lambda info: _card(info, "model-index"),
    "evalResults": lambda info: _extra(info, "evalResults"),
    "gguf": lambda info: _weights(info, "gguf"),
    "safetensors": lambda info: _weights(info, "safetensors"),
    # No model is served by this hub or through it.
    "inference": lambda info: None,
    "inferenceProviderMapping": lambda info: {},
    "securityRepoStatus": lambda info: {"scansDone": False, "filesWithIssues": []},
}
_DATASET: Mapping[str, Show] = {
    "citation": lambda info: _extra(info, "citation"),
    "description": lambda info: _extra(info, "description"),
    "mainSize": lambda info: info.listed.main_bytes,
    "paperswithcode_id": lambda info: _extra(info, "paperswithcode_id"),
}
_SPACE: Mapping[str, Show] = {
    "sdk": lambda info: info.listed.tip.sdk,
    "subdomain": _subdomain,
    "runtime": lambda info: _RUNTIME,
    "models": lambda info: _card_list(info, "models"),
    "datasets": lambda info: _card_list(info, "datasets"),
}


# What other repositories have a say in (`lineage.KEYS`), and the group of an organization.
_LINKED: Mapping[str, Callable[[Links], object]] = {
    "baseModels": lambda links: _listed(links.base_models),
    "childrenModelCount": lambda links: links.children,
    "spaces": lambda links: _listed(links.spaces),
    "resourceGroup": lambda links: _group(links),
}


def _group(links: Links) -> dict[str, object] | None:
    group = links.resource_group
    return None if group is None else {"id": group.hex_id, "name": group.name}


def _listed(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else list(names)


def _nothing(_info: RepoInfo) -> None:
    return None


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


@dataclass(frozen=True, slots=True)
class Shape:
    """The keys of one type: all that exist, those of an info, of a list, and of a list with ``full``."""

    keys: Mapping[str, Show]
    info: tuple[str, ...]
    brief: tuple[str, ...]
    full: tuple[str, ...]


SHAPES: Mapping[RepoType, Shape] = {
    RepoType.MODEL: Shape(
        {**_COMMON, **_COUNTED, **_MODEL, **dict.fromkeys(_LINKED, _nothing)},
        _words(
            "_id id modelId author sha lastModified createdAt private gated disabled downloads likes tags "
            "pipeline_tag library_name cardData config siblings spaces transformersInfo safetensors "
            "widgetData model-index usedStorage"
        ),
        _words(
            "_id id modelId likes private downloads tags pipeline_tag library_name createdAt trendingScore"
        ),
        ("author", "sha", "lastModified", "gated", "disabled", "siblings"),
    ),
    RepoType.DATASET: Shape(
        {**_COMMON, **_COUNTED, **_DATASET},
        _words(
            "_id id author sha lastModified createdAt private gated disabled downloads likes tags "
            "cardData siblings description citation paperswithcode_id usedStorage"
        ),
        _words(
            "_id id author disabled gated lastModified likes trendingScore private sha downloads tags "
            "createdAt"
        ),
        ("cardData", "siblings", "description", "citation", "paperswithcode_id"),
    ),
    RepoType.SPACE: Shape(
        {**_COMMON, **_SPACE},
        _words(
            "_id id author sha lastModified createdAt private gated disabled likes tags cardData siblings "
            "sdk subdomain runtime models datasets usedStorage"
        ),
        _words("_id id likes trendingScore private sdk tags createdAt"),
        (
            "author",
            "sha",
            "lastModified",
            "disabled",
            "gated",
            "cardData",
            "siblings",
            "subdomain",
            "runtime",
        ),
    ),
}


def expanded(repo_type: RepoType, wanted: Iterable[str]) -> tuple[str, ...]:
    """Return the keys of an answer with ``expand``: the ids and what was asked. Raises BadRequest."""
    keys = SHAPES[repo_type].keys
    asked = tuple(dict.fromkeys(wanted))
    for name in asked:
        if name not in keys:
            allowed = ", ".join(sorted(key for key in keys if key not in ("_id", "id")))
            raise BadRequest(f"Invalid value for 'expand': '{name[:60]}'. Allowed values: {allowed}.")
    return ("_id", "id", *asked)


def shaped(info: RepoInfo, keys: Iterable[str], links: Links | None = None) -> dict[str, object]:
    """Return the JSON object with those of ``keys`` that have a value.

    Args: ``links``: what `lineage.add_lineage` found of the repository, if it was asked for.
    """
    shows = SHAPES[info.repo.type].keys
    shown: dict[str, object] = {}
    for key in keys:
        value = _LINKED[key](links) if links is not None and key in _LINKED else shows[key](info)
        if value is not None:
            shown[key] = value
    return shown
