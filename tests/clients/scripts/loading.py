"""What ``datasets`` loaded, as JSON that can be compared: features, counts, first and last rows, hashes of media."""

from __future__ import annotations

import hashlib
import sys
import types
from typing import Any

ROWS = 50


def pretend_sound() -> None:
    """Let sounds be loaded that are kept as they are: the library imports gigabytes for what is never called."""
    for name in ("torch", "torchcodec", "torchcodec.encoders"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["torchcodec.encoders"].AudioEncoder = object  # type: ignore[attr-defined]
    sys.modules["torch"].Tensor = type("Tensor", (), {})  # type: ignore[attr-defined]
    sys.modules["torch"].Generator = type("Generator", (), {})  # type: ignore[attr-defined]
    sys.modules["torch"].nn = types.SimpleNamespace(Module=type("Module", (), {}))  # type: ignore[attr-defined]


def said(split: Any) -> dict[str, Any]:
    """Return what a loaded split holds."""
    rows = [plain(row) for row in split.data.table.to_pylist()]
    return {"features": split.features.to_dict(), "count": len(rows), "rows": rows[:ROWS] + rows[-ROWS:]}


def plain(value: Any) -> Any:
    """Return a value as JSON; of media the hash of their bytes, wherever these are."""
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, dict) and value.keys() == {"bytes", "path"}:
        return ["media", hashlib.sha256(_bytes_of(value["bytes"], value["path"])).hexdigest()]
    if isinstance(value, dict):
        return {key: plain(below) for key, below in value.items() if key != "__url__"}
    if isinstance(value, list):
        return [plain(below) for below in value]
    return value if value is None or isinstance(value, int | float | str) else str(value)


def _bytes_of(data: bytes | None, path: str) -> bytes:
    import fsspec
    from huggingface_hub import HfFileSystem

    if data is not None:
        return data
    if path.startswith("hf://"):
        found: bytes = HfFileSystem().read_bytes(path)
        return found
    # In an archive it may be: `zip://…::…`.
    with fsspec.open(path, "rb") as file:
        inner: bytes = file.read()
        return inner
