"""The local object store: the port's contract, and what survives a crash."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openhood.base.errors import Conflict, Unavailable
from openhood.base.ports import ObjectStore
from openhood.plugins.objects_local import LocalObjects, open_store
from openhood.testing.contracts import ObjectStoreContract

# Writes objects of every kind until it is killed. An object's bytes follow from its key, and a key is printed
# once its write has returned.
_WRITER = """
import sys
from pathlib import Path
from openhood.plugins.objects_local import open_store

store = open_store(sys.argv[1])
source = Path(sys.argv[2])
SIZE = 300_000

def content(key):
    return (key.encode() + b"|") * (SIZE // (len(key) + 1))

number = int(sys.argv[3])
while True:
    number += 1
    key = f"k/{number % 7}/{number}"
    data = content(key)
    kind = number % 4
    if kind == 0:
        store.put(key, data)
    elif kind == 1:
        writer = store.open_writer(key)
        for start in range(0, len(data), 50_000):
            writer.write(data[start:start + 50_000])
        writer.commit()
    elif kind == 2:
        path = source / str(number)
        path.write_bytes(data)
        store.put_file(key, path)
        path.unlink()
    else:
        parts = store.create_parts(key)
        half = len(data) // 2
        second, _ = parts.put_part(2, half, iter([data[half:]]))
        first, _ = parts.put_part(1, 0, iter([data[:half]]))
        parts.complete([first, second])
    store.put("k/same", content(f"same{number:06}"))
    print(key, flush=True)
"""


class TestLocalObjects(ObjectStoreContract):
    """The port's contract on a directory."""

    @pytest.fixture
    def open_again(self, tmp_path: Path) -> Callable[[], ObjectStore]:
        return lambda: open_store((tmp_path / "deep" / "er objects").as_uri())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def store(root: Path) -> LocalObjects:
    return open_store(root.as_uri())


@pytest.mark.parametrize(
    "url",
    ["file://", "file:///", "file://host/a", "file:///a?b=c", "file:///a#b", "/a", "s3://a", "file:a/b"],
)
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any message will do
        open_store(url)


def test_an_option_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="options"):
        open_store(root.as_uri(), fsync="off")


def test_only_the_owner_may_read(store: LocalObjects, root: Path, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        source = tmp_path / "source"
        source.write_bytes(b"x")
        store.put("a/put", b"x")
        store.put_file("a/b/linked", source)
        parts = store.create_parts("a/joined")
        parts.complete([parts.put_part(1, 0, iter([b"x"]))[0]])
    finally:
        os.umask(old)
    for path in [root, *root.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0, path
        assert mode == 0o700 if path.is_dir() else mode in (0o600, 0o400)


def test_nothing_is_left_in_the_scratch_directories(store: LocalObjects, root: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    store.put("a", b"x")
    store.put_file("b", source)
    store.put_file("b", source)
    store.open_writer("c").abort()
    store.open_writer("d").write(b"dropped without an end")
    store.create_parts("e").abort()
    store.check()
    assert _scratch_files(root) == []


def test_put_file_links_where_it_can(store: LocalObjects, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 1000)
    os.utime(source, (1, 1))
    store.put_file("a", source)
    path = store.local_path("a")
    assert path is not None
    assert path.samefile(source)
    # The age of the object is not that of the file.
    assert time.time() - next(iter(store.list("a"))).modified_at_s < 60


def test_put_file_copies_what_a_symbolic_link_points_to(
    store: LocalObjects, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "real").write_bytes(b"real")
    (tmp_path / "link").symlink_to("real")
    store.put_file("a", tmp_path / "link")
    assert not (root / "a").is_symlink()
    (tmp_path / "real").write_bytes(b"changed")
    assert store.get("a") == b"real"


def test_put_file_copies_from_another_file_system(store: LocalObjects) -> None:
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no second file system to write to")
    source = Path(f"/dev/shm/openhood-{os.getpid()}")
    source.write_bytes(b"elsewhere")
    try:
        store.put_file("a", source)
        source.write_bytes(b"changed")
    finally:
        source.unlink()
    assert store.get("a") == b"elsewhere"


def test_a_part_that_is_late_cannot_change_a_completed_object(store: LocalObjects) -> None:
    first_block, go_on = threading.Event(), threading.Event()
    failures: list[Exception] = []

    def slowly() -> Iterator[bytes]:
        yield b"aaaa"
        first_block.set()
        assert go_on.wait(20)
        yield b"EVIL"

    def put_slowly() -> None:
        try:
            store.resume_parts("a", parts.state).put_part(1, 0, slowly())
        except Conflict as error:
            failures.append(error)

    parts = store.create_parts("a")
    late = threading.Thread(target=put_slowly)
    late.start()
    assert first_block.wait(20)
    tag, _ = parts.put_part(1, 0, iter([b"aaaabbbb"]))
    parts.complete([tag])
    go_on.set()
    late.join()
    assert len(failures) == 1
    assert store.get("a") == b"aaaabbbb"


def test_a_completion_goes_on_after_a_crash_between_seal_and_rename(store: LocalObjects, root: Path) -> None:
    parts = store.create_parts("a")
    tag, _ = parts.put_part(1, 0, iter([b"data"]))
    (root / ".parts" / parts.state).chmod(0o400)
    with pytest.raises(Conflict):
        parts.put_part(1, 0, iter([b"DATA"]))
    parts.complete([tag])
    assert store.get("a") == b"data"


def test_missing_bytes_are_no_completion(store: LocalObjects, root: Path) -> None:
    parts = store.create_parts("a")
    first, _ = parts.put_part(1, 0, iter([b"data"]))
    second, _ = parts.put_part(2, 4, iter([b"more"]))
    other, _ = parts.put_part(3, 9, iter([b"gap"]))
    with pytest.raises(ValueError, match="gap"):
        parts.complete([first, second, other])
    with pytest.raises(ValueError, match="gap"):
        parts.complete([second])
    os.truncate(root / ".parts" / parts.state, 6)
    with pytest.raises(Conflict):
        parts.complete([first, second])
    assert store.size("a") is None


@pytest.mark.parametrize("state", ["", "../../etc/passwd", "0" * 31, "0" * 32 + "/", "G" * 32])
def test_a_state_is_not_a_path(store: LocalObjects, state: str) -> None:
    with pytest.raises(ValueError, match="state"):
        store.resume_parts("a", state)


def test_sweep_removes_what_is_old(store: LocalObjects, root: Path) -> None:
    old_writer = store.open_writer("a")
    old_parts = store.create_parts("b")
    for path in _scratch_files(root):
        os.utime(path, (1, 1))
    new_writer = store.open_writer("c")
    new_writer.write(b"new")
    new_parts = store.create_parts("d")
    store.put("e", b"kept")
    assert store.sweep(older_than_s=3600) == 2
    assert store.sweep(older_than_s=3600) == 0
    new_writer.commit()
    new_parts.complete([new_parts.put_part(1, 0, iter([b"x"]))[0]])
    with pytest.raises(Unavailable):
        old_writer.commit()
    with pytest.raises(Conflict):
        old_parts.put_part(1, 0, iter([b"x"]))
    assert {each.key for each in store.list("")} == {"c", "d", "e"}


def test_a_directory_removed_by_hand_is_made_again(store: LocalObjects, root: Path) -> None:
    store.put("a/b/c", b"1")
    (root / "a/b/c").unlink()
    (root / "a/b").rmdir()
    store.put("a/b/c", b"2")
    assert store.get("a/b/c") == b"2"


def test_a_full_or_lost_disk_is_unavailable(store: LocalObjects, root: Path) -> None:
    (root / ".tmp").rmdir()
    for call in (store.check, lambda: store.put("a", b"x"), lambda: store.open_writer("a")):
        with pytest.raises(Unavailable):
            call()


def test_every_write_is_synced_before_it_is_visible(tmp_path: Path) -> None:
    """The order of system calls, read from strace where it is installed and allowed."""
    script = "import sys; from openhood.plugins.objects_local import open_store; open_store(sys.argv[1]).put('x/y/z', b'1' * 10)"
    trace = tmp_path / "trace"
    command = [
        "strace",
        "-f",
        "-y",
        "-o",
        str(trace),
        "-e",
        "trace=fsync,rename,renameat,renameat2,mkdir,mkdirat",
    ]
    try:
        done = subprocess.run(
            [*command, sys.executable, "-c", script, (tmp_path / "new" / "objects").as_uri()],
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        pytest.skip("strace is not installed")
    if done.returncode != 0:
        pytest.skip(f"strace may not trace here: {done.stderr[:200]}")
    steps = [
        line.split(maxsplit=1)[1].replace(str(tmp_path), "")
        for line in trace.read_text().splitlines()
        if str(tmp_path) in line and "ENOENT" not in line
    ]
    names = [
        step.partition("(")[0] + " " + step.partition("/")[2].split(">")[0].split('"')[0] for step in steps
    ]
    file_sync = next(i for i, name in enumerate(names) if name.startswith("fsync new/objects/.tmp/"))
    rename = next(i for i, name in enumerate(names) if name.startswith("rename"))
    assert names[: names.index("fsync new/objects") + 1] == [
        "mkdir new",
        "fsync ",
        "mkdir new/objects",
        "fsync new",
        "mkdir new/objects/.tmp",
        "fsync new/objects",
    ]
    between = names[file_sync + 1 : rename]
    assert between == [
        "mkdir new/objects/x",
        "fsync new/objects",
        "mkdir new/objects/x/y",
        "fsync new/objects/x",
    ]
    assert names[rename + 1] == "fsync new/objects/x/y"


def test_kill_9_leaves_no_half_object_and_loses_none(root: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    chance = random.Random(7)
    acknowledged: list[str] = []
    for round_number in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, root.as_uri(), str(source), str(round_number * 100_000)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        acknowledged.append(process.stdout.readline().strip())
        time.sleep(chance.uniform(0, 0.25))
        process.send_signal(signal.SIGKILL)
        # What it had written into the pipe, it had acknowledged; a line cut short it had not.
        acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
        process.wait()
        process.stdout.close()

    store = open_store(root.as_uri())
    found = {each.key: each.size_bytes for each in store.list("")}
    assert set(acknowledged) <= found.keys()
    assert len(found) >= 13
    for key, size in found.items():
        data = store.get(key)
        name = data.partition(b"|")[0].decode()
        assert name.startswith("same") if key == "k/same" else name == key
        assert data == (name.encode() + b"|") * (300_000 // (len(name) + 1)), key
        assert len(data) == size
    store.sweep(older_than_s=-60)
    assert _scratch_files(root) == []
    assert {each.key: each.size_bytes for each in store.list("")} == found


def _scratch_files(root: Path) -> list[Path]:
    return [*(root / ".tmp").iterdir(), *(root / ".parts").iterdir()]
