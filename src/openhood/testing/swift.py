"""OpenStack Swift as the S3 server of the tests: started, stopped and installed here, and used elsewhere.

It was taken because it refuses forged signatures and wrong checksums, which moto and s3rver accept. It has a
virtual environment of its own, since it needs an old setuptools.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from openhood.testing.processes import Program, ServiceFailed, Supervised, clean_environment, find_free_port

_CHECKOUT = Path(__file__).resolve().parents[3]
_REQUIREMENTS = ("swift>=2.35,<3", "pyeclib", "setuptools<81")
_KINDS = ("account", "container", "object")
_START_TIMEOUT_S = 120
_HASHES = """
[swift-hash]
swift_hash_path_suffix = x
swift_hash_path_prefix = y
[storage-policy:0]
name = one
default = yes
"""
# Generous timeouts: on a busy test machine Swift's own half seconds would become 503s and stale listings.
_STORAGE = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
swift_dir = {etc}
devices = {root}/node
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
workers = 0
conn_timeout = 20
node_timeout = 60
container_update_timeout = 60
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
conn_timeout = 20
node_timeout = 60
container_update_timeout = 60
"""
_PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
swift_dir = {etc}
workers = 0
[pipeline:main]
pipeline = catch_errors gatekeeper bulk s3api tempauth copy slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
conn_timeout = 20
node_timeout = 60
error_suppression_limit = 1000000
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
dns_compliant_bucket_names = false
location = us-east-1
min_segment_size = 5242880
max_upload_part_num = 10000
[filter:slo]
use = egg:swift#slo
max_manifest_segments = 10000
"""


class S3Service:
    """A running S3 server on loopback, with one account."""

    def __init__(self, programs: Supervised, endpoint: str) -> None:
        self._programs = programs
        self.endpoint = endpoint
        self.access_key = "test:tester"
        self.secret_key = "testing"
        self.region = "us-east-1"
        self._client = botocore.session.Session().create_client(
            "s3",
            region_name=self.region,
            endpoint_url=endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        return self._programs.pid

    def make_bucket(self, name: str | None = None) -> str:
        """Make a bucket, with a fresh name if none is given, and return its ``OPENHOOD_OBJECTS_URL``."""
        name = name or f"test-{secrets.token_hex(6)}"
        self._client.create_bucket(Bucket=name)
        options = {
            "endpoint": self.endpoint,
            "region": self.region,
            "path_style": "1",
            "access_key": self.access_key,
            "secret_key": self.secret_key,
        }
        return f"s3://{name}?{urlencode(options)}"

    def stop(self) -> None:
        """End the server. Safe when called twice."""
        self._programs.stop()

    def _wait(self) -> None:
        """Return once buckets can be listed: the proxy's port opens before it can answer."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                self._client.list_buckets()
                return
            except (BotoCoreError, ClientError) as error:
                if time.monotonic() > deadline:
                    self.stop()
                    raise ServiceFailed(f"Swift does not answer.\n{self._programs.logs()}") from error
                time.sleep(0.2)


def ensure_swift_venv() -> Path:
    """Return Swift's virtual environment, ``.clients/swift`` of the checkout, made on the first call.

    Raises: ServiceFailed where the packages cannot be had.
    """
    home = _CHECKOUT / ".clients" / "swift"
    home.parent.mkdir(exist_ok=True)
    with (home.parent / "swift.lock").open("w") as lock:
        # Test processes that start together make it once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (home / "complete").exists():
            return home
        shutil.rmtree(home, ignore_errors=True)
        python = str(home / "bin" / "python")
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
        if uv is not None:
            commands = [
                [uv, "venv", "--quiet", "--python", sys.executable, str(home)],
                [uv, "pip", "install", "--quiet", "--python", python, *_REQUIREMENTS],
            ]
        else:
            commands = [
                [sys.executable, "-m", "venv", str(home)],
                [python, "-m", "pip", "install", "--quiet", *_REQUIREMENTS],
            ]
        for command in commands:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                raise ServiceFailed(f"Swift could not be installed:\n{' '.join(command)}\n{done.stderr}")
        (home / "complete").touch()
    return home


def start_swift(directory: Path) -> S3Service:
    """Start a Swift server with all of its files in ``directory``, on a file system with extended attributes.

    Raises: ServiceFailed where Swift cannot be installed or does not start.
    """
    binaries = ensure_swift_venv() / "bin"
    etc = directory / "etc"
    etc.mkdir(parents=True)
    (directory / "node" / "d1").mkdir(parents=True)
    (etc / "swift.conf").write_text(_HASHES)
    user = pwd.getpwuid(os.geteuid()).pw_name
    ports = {kind: find_free_port() for kind in (*_KINDS, "proxy")}
    for kind in _KINDS:
        _build_ring(binaries, etc, kind, ports[kind])
        storage = _STORAGE.format(port=ports[kind], user=user, etc=etc, root=directory, kind=kind)
        (etc / f"{kind}.conf").write_text(storage)
    filters = ("catch_errors", "gatekeeper", "bulk", "copy", "dlo")
    proxy = _PROXY + "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in filters)
    (etc / "proxy.conf").write_text(proxy.format(port=ports["proxy"], user=user, etc=etc))
    programs = Supervised(
        [
            Program(
                command=[str(binaries / f"swift-{kind}-server"), str(etc / f"{kind}.conf"), "--verbose"],
                cwd=directory,
                log=directory / f"{kind}.log",
                env=clean_environment(),
                stop_signal=signal.SIGKILL,
            )
            for kind in ports
        ]
    )
    for port in ports.values():
        programs.wait_for_port(port, timeout_s=_START_TIMEOUT_S)
    service = S3Service(programs, f"http://127.0.0.1:{ports['proxy']}")
    service._wait()
    return service


def _build_ring(binaries: Path, etc: Path, kind: str, port: int) -> None:
    builder = str(etc / f"{kind}.builder")
    for arguments in (
        ["create", "6", "1", "1"],
        ["add", f"r1z1-127.0.0.1:{port}/d1", "1"],
        ["rebalance"],
    ):
        done = subprocess.run(
            [str(binaries / "swift-ring-builder"), builder, *arguments],
            cwd=etc,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        # 1 is a warning: one device is not a redundant ring.
        if done.returncode not in (0, 1):
            raise ServiceFailed(f"swift-ring-builder failed:\n{done.stdout}{done.stderr}")
