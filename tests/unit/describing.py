"""Short ways to describe repositories that a test writes down as card, configuration and file names."""

from __future__ import annotations

import json

from openhood.base.names import RepoType
from openhood.domain.catalog.types import TipFacts
from openhood.domain.repos.describe import clues_of, describe

Content = str | bytes | dict[str, object] | list[object] | None


def described(
    card: str | None = None,
    *paths: str,
    body: str = "",
    type: RepoType = RepoType.MODEL,
    files: dict[str, Content] | None = None,
) -> TipFacts:
    """Describe a repository with this front matter; ``paths`` are files whose content is not looked at."""
    held: dict[str, bytes] = dict.fromkeys(paths, b"")
    if card is not None:
        held["README.md"] = f"---\n{card}\n---\n{body}".encode()
    for path, content in (files or {}).items():
        held[path] = (
            content
            if isinstance(content, bytes)
            else (content.encode() if isinstance(content, str) else json.dumps(content).encode())
        )
    return describe(clues_of(held), type)


def model(
    card: str | None = None, config: Content = None, *paths: str, body: str = "", **more: Content
) -> TipFacts:
    """Describe a model; ``more`` are JSON files, such as ``tokenizer_config={…}``."""
    files = {f"{name}.json": content for name, content in more.items()}
    if config is not None:
        files["config.json"] = config
    return described(card, *paths, body=body, files=files)


def dataset(card: str | None = None, *paths: str, body: str = "") -> TipFacts:
    """Describe a dataset."""
    return described(card, *paths, body=body, type=RepoType.DATASET)
