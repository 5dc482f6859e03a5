"""What a new repository holds before anyone uploads: its ``.gitattributes`` and, where asked, a card."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from openhood.base.names import RepoType
from openhood.engines.gitattributes import DEFAULT_DATASET, DEFAULT_MODEL

_PLAIN_YAML = re.compile(r"[A-Za-z][A-Za-z0-9._+-]*")
_NOT_PLAIN = frozenset({"true", "false", "null"})


def files(
    repo_type: RepoType, *, name: str, card: Mapping[str, str], given: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Return the files of the first commit, ``.gitattributes`` first; ``given`` ones win.

    A space always gets a card, since its sdk is written nowhere else. Pure.
    """
    attributes = DEFAULT_DATASET if repo_type is RepoType.DATASET else DEFAULT_MODEL
    made = {".gitattributes": attributes.encode()}
    fields = dict(card)
    if repo_type is RepoType.SPACE:
        fields = _space_card(name, card)
    if fields:
        made["README.md"] = _readme(fields)
    return {**made, **given}


def _space_card(name: str, card: Mapping[str, str]) -> dict[str, str]:
    title = " ".join(word.capitalize() for word in re.split(r"[-_.]+", name) if word) or name
    fields = {"title": title, "emoji": "🚀", "colorFrom": "blue", "colorTo": "indigo", **card}
    if card.get("sdk") in ("gradio", "streamlit"):
        fields["app_file"] = "app.py"
    return fields


def _readme(fields: Mapping[str, str]) -> bytes:
    lines = [f"{key}: {_yaml_text(value)}" for key, value in fields.items()]
    return ("---\n" + "\n".join(lines) + "\n---\n").encode("utf-8", "replace")


def _yaml_text(value: str) -> str:
    # A JSON string is a YAML string, whatever it holds.
    if _PLAIN_YAML.fullmatch(value) and value.lower() not in _NOT_PLAIN:
        return value
    return json.dumps(value, ensure_ascii=False)
