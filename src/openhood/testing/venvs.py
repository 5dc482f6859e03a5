"""Virtual environments of real clients, made on first use under ``.clients`` of the checkout and kept.

`client_python` and `client_modules` (for Node) say where a client is; which server it talks to is up to the test.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from openhood.testing.processes import ServiceFailed

_CHECKOUT = Path(__file__).resolve().parents[3]
_HOME = _CHECKOUT / ".clients"
_TORCH = "torch==2.13.0"

REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "hub-2.4": ("huggingface_hub==2.4.0",),
    "hub-2.4-oauth": ("huggingface_hub[oauth]==2.4.0", "fastapi>=0.110", "uvicorn>=0.30"),
    "hub-1": ("huggingface_hub==1.33.0",),
    "hub-0.36": ("huggingface_hub==0.36.2",),
    "hub-0.23": ("huggingface_hub==0.23.5",),
    "apps": ("huggingface_hub==2.4.0", "gradio>=6,<7", "itsdangerous"),
    "tf": (_TORCH, "transformers>=5,<6", "safetensors", "tokenizers", "numpy"),
    "ds": ("datasets>=5,<6", "pandas", "polars", "duckdb", "pillow"),
    "duck": (
        "huggingface_hub==2.4.0",
        "duckdb==1.5.5",
        "duckdb-extensions",
        "duckdb-extension-httpfs==1.5.5",
    ),
    "ds-4": ("datasets>=4,<5", "pillow"),
    "ds-3": ("datasets==3.6.0", "huggingface_hub<1", "pillow"),
    "ds-2": ("datasets==2.21.0", "huggingface_hub<1", "numpy<2", "pandas<3", "pyarrow<19", "pillow"),
}
"""The clients by name. Exact versions where a generation is meant, ranges where the newest is."""

JS_PACKAGES = ("@huggingface/hub@2.17.5",)
"""What `client_modules` installs for Node."""


def client_python(name: str) -> Path:
    """Return the Python of client ``name`` (a key of `REQUIREMENTS`), installed on the first call.

    Raises: ServiceFailed with the installer's words where the packages cannot be had.
    """
    requirements = REQUIREMENTS[name]
    home = _HOME / name
    with _locked(name):
        stamp = _stamp((*requirements, sys.version))
        if not _is_current(home, stamp):
            shutil.rmtree(home, ignore_errors=True)
            _make_venv(home, requirements)
            (home / "complete").write_text(stamp)
    return home / "bin" / "python"


def client_modules() -> Path:
    """Return a directory whose ``node_modules`` holds the JavaScript client, installed on the first call.

    Raises: ServiceFailed where npm is missing or fails.
    """
    home = _HOME / "js"
    with _locked("js"):
        stamp = _stamp(JS_PACKAGES)
        if not _is_current(home, stamp):
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir(parents=True)
            (home / "package.json").write_text('{"private": true, "type": "module"}\n')
            _run(["npm", "install", "--no-audit", "--no-fund", "--silent", *JS_PACKAGES], cwd=home)
            (home / "complete").write_text(stamp)
    return home


@contextmanager
def _locked(name: str) -> Iterator[None]:
    """Let one test process at a time look at and make client ``name``."""
    _HOME.mkdir(exist_ok=True)
    with (_HOME / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _stamp(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _is_current(home: Path, stamp: str) -> bool:
    complete = home / "complete"
    return complete.is_file() and complete.read_text() == stamp


def _make_venv(home: Path, requirements: Sequence[str]) -> None:
    python = str(home / "bin" / "python")
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if _TORCH in requirements:
        _run([sys.executable, "-m", "venv", str(home)])
        _install_torch(python, uv)
    elif uv is not None:
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(home)])
    else:
        _run([sys.executable, "-m", "venv", str(home)])
    if uv is not None:
        _run([uv, "pip", "install", "--quiet", "--python", python, *requirements])
    else:
        _run([python, "-m", "pip", "install", "--quiet", *requirements])


def _install_torch(python: str, uv: str | None) -> None:
    """Install PyTorch for the CPU: the plain package brings gigabytes for graphics cards along.

    A wheel that pip was configured to find on this machine comes first; then uv, which knows where such builds
    are; and only then whatever pip gets.
    """
    attempts = [[python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", _TORCH]]
    if uv is not None:
        attempts.append(
            [uv, "pip", "install", "--quiet", "--python", python, "--torch-backend", "cpu", _TORCH]
        )
    for command in attempts:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode == 0:
            return
    _run([python, "-m", "pip", "install", "--quiet", _TORCH])


def _run(command: Sequence[str], *, cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise ServiceFailed(f"'{command[0]}' is needed by this test and not installed.") from error
    if done.returncode != 0:
        raise ServiceFailed(f"A client could not be installed:\n{' '.join(command)}\n{done.stderr}")
