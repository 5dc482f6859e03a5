"""How the tests start clients: Python functions inside a client's environment, and programs, each in its own home."""

from __future__ import annotations

import inspect
import json
import os
import secrets
import subprocess
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openhood.testing.processes import clean_environment
from openhood.testing.server import Server

SCRIPTS = Path(__file__).with_name("scripts")
TIMEOUT_S = 300
_MAIN = """

if __name__ == "__main__":
    import json as _json, os as _os, sys as _sys
    _result = {name}(**_json.loads(_sys.argv[1]))
    with open(_sys.argv[2], "w") as _file:
        _json.dump(_result, _file)
"""


@dataclass(frozen=True)
class Hub:
    """The hub under test. ``tokens`` has the secrets by person."""

    url: str
    data_dir: Path
    tokens: Mapping[str, str]
    password: str
    server: Server

    def new_id(self, namespace: str = "alice") -> str:
        """Return the id of a repository that does not exist."""
        return f"{namespace}/r{secrets.token_hex(5)}"

    def git_url(self, path: str, who: str | None = None) -> str:
        """Return the remote of a repository, with somebody's token in it."""
        login = f"{who}:{self.tokens[who]}@" if who else ""
        return self.url.replace("://", f"://{login}") + "/" + path


@dataclass(frozen=True)
class Ran:
    """What a program did."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Everything it wrote."""
        return self.out + self.err


@dataclass(frozen=True)
class Client:
    """A client in a home of its own, so that nobody else's cache or token is seen.

    ``url`` is where it finds the hub, if not at the hub's own address; ``xet`` whether it may speak Xet, as it does
    unless a user forbids it.
    """

    python: Path
    home: Path
    hub: Hub
    token: str | None
    more_env: dict[str, str] = field(default_factory=dict)
    url: str | None = None
    xet: bool = True

    @property
    def env(self) -> dict[str, str]:
        """The variables that the client runs with."""
        env = clean_environment() | {
            "HOME": str(self.home),
            "HF_HOME": str(self.home / "hf"),
            "HF_ENDPOINT": self.url or self.hub.url,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_UPDATE_DOWNLOAD_COUNTS": "0",
            "DISABLE_SAFETENSORS_CONVERSION": "1",
            "NO_PROXY": "localhost,127.0.0.1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            "COLUMNS": "200",
            "PYTHONPATH": str(SCRIPTS),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        if self.token is not None:
            env["HF_TOKEN"] = self.token
        if not self.xet:
            env["HF_HUB_DISABLE_XET"] = "1"
        return env | self.more_env

    def call(self, function: Callable[..., Any], **arguments: Any) -> Any:
        """Run ``function`` in the client's environment and return what it returns, through JSON.

        Its source is sent, so it imports what it needs itself; `scripts/kit.py` is there as ``kit``.
        """
        command, answer = self._prepare(function, arguments)
        ran = self.run(*command)
        assert ran.code == 0, f"{function.__name__} failed in {self.python}:\n{ran.text}"
        return json.loads(answer.read_text())

    def start(self, function: Callable[..., Any], **arguments: Any) -> subprocess.Popen[bytes]:
        """Start what `call` would run, in a process group of its own, and leave it running."""
        command, _answer = self._prepare(function, arguments)
        with (self.home / "started.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.home,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _prepare(self, function: Callable[..., Any], arguments: Mapping[str, Any]) -> tuple[list[str], Path]:
        source = textwrap.dedent(inspect.getsource(function)) + _MAIN.replace("{name}", function.__name__)
        script = self.home / f"{function.__name__}.py"
        script.write_text("from __future__ import annotations\n\n" + source)
        answer = self.home / f"{function.__name__}.json"
        answer.unlink(missing_ok=True)
        return [str(self.python), str(script), json.dumps(arguments), str(answer)], answer

    def run(self, *command: str, cwd: Path | None = None, stdin: str | None = None) -> Ran:
        """Run a program and return what it did."""
        done = subprocess.run(
            command,
            cwd=cwd or self.home,
            env=self.env,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def hf(self, *arguments: str, cwd: Path | None = None) -> Ran:
        """Run the command line: ``hf``, or ``huggingface-cli`` where that is all there is."""
        for name in ("hf", "huggingface-cli"):
            program = self.python.with_name(name)
            if os.access(program, os.X_OK):
                return self.run(str(program), *arguments, cwd=cwd)
        raise AssertionError(f"no command line beside {self.python}")
