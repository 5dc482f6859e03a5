"""What a commit says of its repository: card, config, tags, task, library, sdk, results and text.

Pure over git objects, called before main moves; nothing here reads LFS content or the database. The
subjects are in `describing`, a file each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import orjson

from openhood.base.names import Oid, RepoType
from openhood.domain.catalog.types import TipFacts
from openhood.domain.repos.describing.clues import CARD, Clues, clues_of, gather
from openhood.domain.repos.describing.datasets import DataFacts, dataset_facts
from openhood.domain.repos.describing.models import model_facts
from openhood.domain.repos.describing.spaces import space_facts
from openhood.domain.repos.describing.summary import summarise
from openhood.domain.repos.describing.values import storable
from openhood.engines.formats.card import read_card, split_card
from openhood.engines.git.store import ObjectDb

__all__ = ["Clues", "clues_of", "describe", "describe_tip"]

_MAX_DOCUMENT_BYTES = 1024 * 1024


def describe_tip(
    objects: ObjectDb, commit: Oid, repo_type: RepoType, *, data: DataFacts | None = None
) -> TipFacts:
    """Read and describe a commit. Never in a unit. Raises MissingGitObject.

    Args: ``data`` is what a dataset's data files were seen to hold.
    """
    return describe(gather(objects, commit, repo_type), repo_type, data=data)


def describe(clues: Clues, repo_type: RepoType, *, data: DataFacts | None = None) -> TipFacts:
    """Describe a repository from its clues. Pure; takes whatever people have written."""
    readme = clues.files.get(CARD)
    card = _storable(read_card(readme)) if readme is not None else None
    text = split_card(clues.text(CARD) or "").body
    if repo_type is RepoType.MODEL:
        facts = model_facts(card, clues, text=text)
    elif repo_type is RepoType.DATASET:
        facts = dataset_facts(card, clues, text=text, data=data)
    else:
        facts = space_facts(card)
    return replace(
        facts,
        config=_storable(facts.config),
        extras=_storable(facts.extras) or {},
        summary=summarise(text),
        paths=clues.listed,
    )


def _storable(document: Mapping[str, object] | None) -> Mapping[str, object] | None:
    """Return a document without what databases refuse; what is too large to keep with a row is left out."""
    if document is None:
        return None
    written = orjson.dumps(document)
    if len(written) > 2 * _MAX_DOCUMENT_BYTES:
        return {key: value for key, value in document.items() if len(orjson.dumps(value)) < 1000}
    if b"\\u0000" not in written:
        return document
    cleaned = storable(document)
    return cleaned if isinstance(cleaned, dict) else {}
