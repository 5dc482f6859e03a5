"""What the hub is compared with: nginx, ``git http-backend`` behind it, and a bare "hello" of our server stack."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openhood.testing.processes import Program, Supervised, clean_environment, find_free_port

HOST = "127.0.0.1"
_SBIN = ("/usr/sbin", "/sbin", "/usr/local/sbin")

_NGINX = """\
{user}
daemon off;
worker_processes auto;
pid {dir}/nginx.pid;
error_log {dir}/nginx-error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  client_max_body_size 0;
  client_body_temp_path {dir}/tmp-body;
  fastcgi_temp_path {dir}/tmp-fastcgi;
  proxy_temp_path {dir}/tmp-proxy;
  uwsgi_temp_path {dir}/tmp-uwsgi;
  scgi_temp_path {dir}/tmp-scgi;
  server {{
    listen {host}:{port};
    root {root};
    location ~ ^/git(/.*)$ {{
      {auth}
      fastcgi_pass unix:{dir}/git.sock;
      fastcgi_param SCRIPT_FILENAME {backend};
      fastcgi_param PATH_INFO $1;
      fastcgi_param GIT_PROJECT_ROOT {root};
      fastcgi_param GIT_HTTP_EXPORT_ALL "";
      fastcgi_param REMOTE_USER bench;
      fastcgi_param REMOTE_ADDR $remote_addr;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_buffering off;
    }}
  }}
}}
"""

_HELLO = """\
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

async def hello(request):
    return PlainTextResponse("hello")

app = Starlette(routes=[Route("/", hello)])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning")
"""


@contextmanager
def nginx(
    directory: Path, root: Path, *, with_git: bool = False, credentials: tuple[str, str] | None = None
) -> Iterator[tuple[str, int]]:
    """Serve ``root``, and with ``with_git`` the repositories in it under ``/git``; yields the address.

    Args: ``credentials`` are the user and password that git must send, as it must to push to the hub.
    """
    directory.mkdir(parents=True, exist_ok=True)
    port = find_free_port()
    config = directory / "nginx.conf"
    auth = ""
    if credentials is not None:
        (directory / "users").write_text(f"{credentials[0]}:{{PLAIN}}{credentials[1]}\n")
        auth = f"auth_basic git; auth_basic_user_file {directory}/users;"
    config.write_text(
        _NGINX.format(
            # Its workers would become nobody, who may not read a private directory.
            user="user root;" if os.geteuid() == 0 else "",
            dir=directory,
            host=HOST,
            port=port,
            root=root,
            auth=auth,
            backend=_git_backend() if with_git else "/bin/false",
        )
    )
    commands = [[_program("nginx"), "-e", str(directory / "nginx-error.log"), "-c", str(config)]]
    if with_git:
        # One worker, as one git asks at a time; more would be forked, and outlive the parent that is stopped.
        commands.insert(0, [_program("fcgiwrap"), "-c", "1", "-s", f"unix:{directory}/git.sock"])
    running = _run(directory, commands)
    try:
        running.wait_for_port(port, timeout_s=20)
        yield HOST, port
    finally:
        running.stop()


@contextmanager
def hello(directory: Path) -> Iterator[str]:
    """Run the smallest Starlette application; yields its URL."""
    directory.mkdir(parents=True, exist_ok=True)
    script = directory / "hello.py"
    script.write_text(_HELLO)
    port = find_free_port()
    running = _run(directory, [[sys.executable, str(script), str(port)]])
    try:
        running.wait_for_port(port, timeout_s=20)
        yield f"http://{HOST}:{port}/"
    finally:
        running.stop()


@contextmanager
def floor(directory: Path, *, syncs: bool) -> Iterator[str]:
    """Run `bench.xetfloor`, a hub that stores and returns bytes and does nothing else; yields its URL."""
    directory.mkdir(parents=True, exist_ok=True)
    port = find_free_port()
    command = [sys.executable, "-m", "bench.xetfloor", str(port), str(directory), "fsync" if syncs else "-"]
    running = _run(directory, [command], cwd=Path(__file__).resolve().parents[1])
    try:
        running.wait_for_port(port, timeout_s=20)
        yield f"http://{HOST}:{port}"
    finally:
        running.stop()


def _run(directory: Path, commands: list[list[str]], *, cwd: Path | None = None) -> Supervised:
    environment = {**clean_environment(), "HOME": str(directory), "GIT_CONFIG_NOSYSTEM": "1"}
    return Supervised(
        [
            Program(
                command=command,
                cwd=cwd or directory,
                log=directory / f"{Path(command[0]).name}.log",
                env=environment,
                stop_signal=signal.SIGTERM,
            )
            for command in commands
        ]
    )


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(_SBIN))
    if found is None:
        raise SystemExit(f"{name} is not installed: scripts/system-packages nginx fcgiwrap")
    return found


def _git_backend() -> str:
    core = subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True).stdout.strip()
    return str(Path(core) / "git-http-backend")
