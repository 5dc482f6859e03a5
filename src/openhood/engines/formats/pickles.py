"""What a pickle would import if somebody loaded it, read from its opcodes without ever executing one.

Takes plain pickles, several in one file (as old PyTorch writes), and the ``data.pkl`` inside PyTorch's zip files.
What cannot be followed is said, not guessed.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from openhood.base.errors import Unprocessable
from openhood.engines.formats.safetensors import ReadRange

MAX_PICKLE_BYTES = 16 * 1024 * 1024
_MAX_OPCODES = 400_000
_MAX_IMPORTS = 500
_MAX_MEMBERS = 20_000
_MAX_STREAMS = 8
_MAX_DIRECTORY_BYTES = 16 * 1024 * 1024
_ENDINGS = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill")

_DANGEROUS_MODULES = frozenset(
    """
    __builtin__ _posixsubprocess _pickle aiohttp asyncio bdb builtins code codeop commands ctypes dill ftplib http httplib
    imp importlib inspect io linecache marshal multiprocessing nt ntpath operator os pathlib pdb pickle pip pkgutil
    platform popen2 posix posixpath profile pty pydoc requests runpy shutil signal smtplib socket socketserver ssl
    subprocess sys telnetlib tempfile threading timeit trace types urllib urllib2 venv webbrowser winreg xmlrpc zipimport
    """.split()  # noqa: SIM905  (ninety quoted words read worse)
)
_HARMLESS_BUILTINS = frozenset(
    """
    bool bytearray bytes complex dict float frozenset int list long object range set slice str tuple unicode xrange
    """.split()  # noqa: SIM905
)
_DANGEROUS_NAMES = frozenset(
    {
        "torch.hub.load", "torch.load", "torch.serialization.load", "torch._dynamo.guards.GuardBuilder.get",
        "numpy.testing._private.utils.runstring", "numpy.load", "joblib.load", "torch.jit.load", "pandas.read_pickle",
        "numpy.f2py.crackfortran.myeval", "numpy.f2py.crackfortran.getlincoef", "torch.utils.collect_env.run",
        "torch.utils._config_module.load_config", "functools.partial",
    }
)  # fmt: skip
_KNOWN_MODULES = frozenset(
    """
    _codecs argparse collections copyreg copy_reg datetime decimal numpy numpy.core.multiarray numpy._core.multiarray
    numpy.core.numeric numpy._core.numeric numpy.dtypes scipy.sparse torch torch._utils torch._tensor torch.nn.parameter
    torch.storage torch.serialization torch.distributed uuid fractions
    """.split()  # noqa: SIM905
)
_HARMLESS_OPERATOR = frozenset({"itemgetter", "attrgetter"})


class BadPickle(Unprocessable):
    """A file is no pickle, whatever its name says."""


@dataclass(frozen=True, slots=True)
class PickleImport:
    """A name that loading would import. ``verdict`` is dangerous, unknown or harmless."""

    module: str
    name: str
    verdict: str


@dataclass(frozen=True, slots=True)
class PickleScan:
    """All that a file imports, the worst first; ``is_partial``: there is more of it than was looked at."""

    imports: tuple[PickleImport, ...]
    is_partial: bool

    @property
    def worst(self) -> str:
        """The verdict on the whole."""
        return self.imports[0].verdict if self.imports else "harmless"


def is_pickle_name(path: str) -> bool:
    """Tell whether files of this name are pickles as a rule."""
    return path.lower().endswith(_ENDINGS)


def scan(read: ReadRange, *, size_bytes: int) -> PickleScan:
    """Return what loading a file would import. Raises BadPickle and what ``read`` raises."""
    head = read(0, min(size_bytes, 4))
    found: dict[tuple[str, str], None] = {}
    if head == b"PK\x03\x04":
        is_partial = _scan_zip(read, size_bytes, found)
    elif head[:1] == b"\x80" or head[:1] in (b"(", b"c", b"]", b"}"):
        data = read(0, min(size_bytes, MAX_PICKLE_BYTES))
        is_partial = _scan_streams(data, found, is_whole=len(data) == size_bytes)
    else:
        raise BadPickle("The file does not begin as a pickle or an archive of PyTorch does.")
    rank = {"dangerous": 0, "unknown": 1, "harmless": 2}
    judged = [PickleImport(module, name, judge(module, name)) for module, name in found]
    judged.sort(key=lambda each: (rank[each.verdict], each.module, each.name))
    return PickleScan(tuple(judged[:_MAX_IMPORTS]), is_partial or len(judged) > _MAX_IMPORTS)


def judge(module: str, name: str) -> str:
    """Return the verdict on one import: dangerous where it runs code or reaches the system."""
    top = module.partition(".")[0]
    if top in ("builtins", "__builtin__"):
        return "harmless" if name in _HARMLESS_BUILTINS else "dangerous"
    if module == "operator" and name in _HARMLESS_OPERATOR:
        return "unknown"
    if top in _DANGEROUS_MODULES or f"{module}.{name}" in _DANGEROUS_NAMES:
        return "dangerous"
    # A dotted name walks from the module to whatever it has imported itself.
    if any(part in _DANGEROUS_MODULES for part in name.split(".")[:-1]):
        return "dangerous"
    return "harmless" if module in _KNOWN_MODULES and "." not in name else "unknown"


class _RangeFile(io.RawIOBase):
    """A file that is read by range, as `zipfile` wants it; how much may be read is bounded."""

    def __init__(self, read: ReadRange, size_bytes: int) -> None:
        self._read = read
        self._size = size_bytes
        self._at = 0
        self._left = _MAX_DIRECTORY_BYTES + 2 * MAX_PICKLE_BYTES

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, min(base + offset, self._size))
        return self._at

    def read(self, size: int = -1) -> bytes:
        wanted = max(0, self._size - self._at)
        wanted = wanted if size < 0 else min(size, wanted)
        self._left -= wanted
        if self._left < 0:
            raise BadPickle("The archive has a longer table of contents than is read of any.")
        data = self._read(self._at, wanted) if wanted else b""
        self._at += len(data)
        return data


def _scan_zip(read: ReadRange, size_bytes: int, found: dict[tuple[str, str], None]) -> bool:
    try:
        with zipfile.ZipFile(_RangeFile(read, size_bytes)) as archive:
            members = archive.infolist()
            if len(members) > _MAX_MEMBERS:
                raise BadPickle(f"The archive has {len(members)} members; {_MAX_MEMBERS} are looked at.")
            pickles = [each for each in members if each.filename.endswith(".pkl")]
            is_partial = len(pickles) > _MAX_STREAMS
            for member in pickles[:_MAX_STREAMS]:
                with archive.open(member) as file:
                    data = file.read(MAX_PICKLE_BYTES + 1)
                is_whole = len(data) <= MAX_PICKLE_BYTES
                is_partial |= _scan_streams(data[:MAX_PICKLE_BYTES], found, is_whole=is_whole)
            return is_partial
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError) as error:
        raise BadPickle(f"The archive cannot be read: {error}.") from error


def _scan_streams(data: bytes, found: dict[tuple[str, str], None], *, is_whole: bool) -> bool:
    """Scan pickles that follow each other; tells whether some of them may be left."""
    stream = io.BytesIO(data)
    left = [_MAX_OPCODES]
    for number in range(_MAX_STREAMS):
        if stream.tell() >= len(data):
            return not is_whole
        try:
            for pair in _imports(stream, left):
                found[pair] = None
                if len(found) > _MAX_IMPORTS:
                    return True
        except (ValueError, UnicodeDecodeError, OverflowError, IndexError, MemoryError):
            # What follows the pickles of old PyTorch files are the numbers of its tensors.
            return not is_whole or number == 0
        if left[0] <= 0:
            return True
    return True


_TEXT_OPCODES = frozenset(
    {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING"}
)
_STORING = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_FETCHING = frozenset({"GET", "BINGET", "LONG_BINGET"})


def _imports(stream: io.BytesIO, left: list[int]) -> Iterator[tuple[str, str]]:
    """Yield the (module, name) pairs of one pickle.

    Names of ``STACK_GLOBAL`` come from the stack: the last two texts that were pushed or fetched are taken for
    them, and where there are none the import is named unknown.
    """
    texts: list[str | None] = []
    memo: dict[int, str | None] = {}
    last: str | None = None
    for opcode, argument, _place in pickletools.genops(stream):
        left[0] -= 1
        if left[0] <= 0:
            return
        name = opcode.name
        if name in ("GLOBAL", "INST"):
            module, _, attribute = str(argument).partition(" ")
            yield module[:200], attribute[:200]
            last = None
        elif name == "STACK_GLOBAL":
            pair = texts[-2:]
            if len(pair) < 2 or None in pair:
                yield "unknown", "unknown"
            else:
                yield str(pair[0])[:200], str(pair[1])[:200]
            last = None
        elif name in _TEXT_OPCODES:
            last = argument if isinstance(argument, str) else None
            texts = [*texts[-3:], last]
        elif name == "MEMOIZE":
            memo[len(memo)] = last
        elif name in _STORING:
            memo[int(str(argument))] = last
        elif name in _FETCHING:
            last = memo.get(int(str(argument)))
            texts = [*texts[-3:], last]
        elif name not in ("PROTO", "FRAME", "MARK"):
            last = None
