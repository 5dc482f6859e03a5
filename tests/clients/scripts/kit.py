"""What the tests' functions use inside a client's own environment: standard library only, Python 3.11."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any


def failure(call: Callable[[], Any]) -> dict[str, Any]:
    """Call and tell how it failed: names of the exception's classes, its text, status and error code."""
    try:
        value = call()
    except Exception as error:
        response = getattr(error, "response", None)
        return {
            "kinds": [each.__name__ for each in type(error).__mro__],
            "text": str(error),
            "status": getattr(response, "status_code", None),
            "code": None if response is None else response.headers.get("X-Error-Code"),
        }
    return {"kinds": [], "text": f"no failure: {value!r}", "status": None, "code": None}


def pattern(size: int, seed: int = 0) -> bytes:
    """Return ``size`` bytes that do not compress and are the same every time."""
    blocks = (hashlib.sha256(f"{seed}-{number}".encode()).digest() for number in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def sha256(data: bytes | str | Path) -> str:
    """Return the hex digest of bytes, or of the file at a path."""
    return hashlib.sha256(data if isinstance(data, bytes) else Path(data).read_bytes()).hexdigest()


def write_tree(root: str | Path, files: dict[str, bytes]) -> dict[str, str]:
    """Write files below ``root`` and return the digest of each."""
    for name, data in files.items():
        path = Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return {name: sha256(data) for name, data in files.items()}


def read_tree(root: str | Path) -> dict[str, str]:
    """Return the digest of every file below ``root``, without what clients and git keep there for themselves."""
    return {
        path.relative_to(root).as_posix(): sha256(path)
        for path in sorted(Path(root).rglob("*"))
        if path.is_file() and not {".cache", ".git", ".huggingface"} & set(path.relative_to(root).parts)
    }


def noise(size: int, seed: int = 0) -> bytes:
    """Return ``size`` random bytes that are the same every time: `pattern`, but fast enough for hundreds of MB."""
    rng, piece = random.Random(seed), 1 << 26  # it cannot make more than 256 MB in one go
    return b"".join(rng.randbytes(min(piece, size - start)) for start in range(0, size, piece))


def json_lines(size: int, seed: int = 0) -> bytes:
    """Return about ``size`` bytes of lines of JSON, which compress well."""
    rng = random.Random(seed)
    words = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
    lines, total = [], 0
    while total < size:
        number = rng.getrandbits(64)
        line = f'{{"id": {number}, "text": "{words[number % 6]} {words[number % 5]} {number >> 40}", "ok": true}}\n'
        lines.append(line)
        total += len(line)
    return "".join(lines).encode()


def floats(size: int, seed: int = 0) -> bytes:
    """Return ``size`` bytes of 32-bit floating-point numbers between 0.5 and 2, as weights have them."""
    data = bytearray(noise(size, seed))
    data[3::4] = b"\x3f" * len(data[3::4])
    return bytes(data)
