"""The names people and clients use for things, parsed once at the door and trusted inside.

Repository types and ids, revisions, refs, paths and hashes live here. Nothing here looks
anything up: a parsed name may still name nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from openhood.base.errors import InvalidName, InvalidPath

Oid = NewType("Oid", str)
"""A git object id: 40 lower-case hex characters."""

Sha256 = NewType("Sha256", str)
"""The SHA-256 of a file's bytes: 64 lower-case hex characters."""

XetHash = NewType("XetHash", str)
"""A Xet hash (of a chunk, a xorb or a file) as clients write it: 64 lower-case hex characters.

The 32 bytes in this text are grouped by eight and reversed within each group; `engines.xet.hashing` converts.
"""

Revision = NewType("Revision", str)
"""What a person types to name a commit: branch, tag, full or short oid, ``refs/pr/N``, ``HEAD``."""

RefName = NewType("RefName", str)
"""A full ref name, such as ``refs/heads/main``."""

PathInRepo = NewType("PathInRepo", str)
"""A checked, relative, ``/``-separated UTF-8 path; never empty."""

MAIN = RefName("refs/heads/main")
ZERO_OID = Oid("0" * 40)
EMPTY_TREE = Oid("4b825dc642cb6eb9a060e54bf8d69288fbee4904")

MAX_PATH_BYTES = 1000
MAX_SEGMENT_BYTES = 255

_HEX40 = re.compile(r"[0-9a-f]{40}")
_HEX64 = re.compile(r"[0-9a-f]{64}")
_SHORT_OID = re.compile(r"[0-9a-fA-F]{5,40}")
# huggingface_hub `validate_repo_id`: at most 96 characters of [A-Za-z0-9_.-], no `--`, no `..`,
# not beginning or ending with `-` or `.`, not ending with `.git`.
_REPO_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")
# Hub OpenAPI: 2 to 42 letters, digits and single inner dashes.
_ACCOUNT_NAME = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9]){1,41}")
_ANY_ACCOUNT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,94}[A-Za-z0-9_]|[A-Za-z0-9_]")
_HEX24 = re.compile(r"[0-9a-fA-F]{24}")
_REF_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]")

# First segments of the hub's own URLs, and words the Hub keeps to itself.
RESERVED_ACCOUNT_NAMES = frozenset(
    """
    activity admin api avatars blog buckets cas chat collections datasets device docs events feed followers
    health help inbox invitations jobs join kernels login logout mail mcp me metrics models new notifications
    oauth objects openapi organizations papers posts ready robots search settings setup sign-up signup sitemap
    spaces sso static storage system tasks uploads users v1 v2 welcome well-known
    """.split()  # noqa: SIM905  (fifty quoted words read worse)
)


class RepoType(StrEnum):
    """The kinds of repository this hub holds."""

    MODEL = "model"
    DATASET = "dataset"
    SPACE = "space"

    @property
    def plural(self) -> str:
        """The segment used under ``/api/``: ``models``, ``datasets``, ``spaces``."""
        return self.value + "s"

    @property
    def web_prefix(self) -> str:
        """The prefix of page and git URLs: empty for models, else the plural and a slash."""
        return "" if self is RepoType.MODEL else self.plural + "/"

    @classmethod
    def from_plural(cls, text: str) -> RepoType | None:
        """Return the type whose plural is ``text``, or None."""
        return _BY_PLURAL.get(text)


_BY_PLURAL = {kind.plural: kind for kind in RepoType}


@dataclass(frozen=True, slots=True, order=True)
class RepoId:
    """``namespace/name``, in the spelling the caller used; look-ups ignore case."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def key(self) -> tuple[str, str]:
        """The case-folded pair under which the repository is stored."""
        return self.namespace.lower(), self.name.lower()

    @classmethod
    def parse(cls, text: str) -> RepoId:
        """Parse ``namespace/name``. Raises InvalidName."""
        namespace, slash, name = text.partition("/")
        if not slash or "/" in name:
            raise InvalidName(f"Repository id must be of the form 'namespace/name', got {text!r}.")
        return cls(check_any_account_name(namespace), check_repo_name(name))


def check_repo_name(name: str) -> str:
    """Return ``name`` if it may name a repository. Raises InvalidName.

    Source: huggingface_hub ``utils/_validators.py::validate_repo_id``.
    """
    if not _REPO_NAME.fullmatch(name) or "--" in name or ".." in name or name.lower().endswith(".git"):
        raise InvalidName(
            f"Invalid repository name {name[:120]!r}: use at most 96 characters of A-Z a-z 0-9 - _ ., without "
            "'--' or '..', not starting or ending with '-' or '.', and not ending with '.git'."
        )
    return name


def check_account_name(name: str) -> str:
    """Return ``name`` if a person may take it for a user or organization. Raises InvalidName."""
    if name.isdigit() or _HEX24.fullmatch(name) or not _ACCOUNT_NAME.fullmatch(name) or len(name) > 42:
        raise InvalidName(
            f"Invalid user or organization name {name[:120]!r}: use 2 to 42 letters and digits with single "
            "dashes between them; not only digits."
        )
    if name.lower() in RESERVED_ACCOUNT_NAMES:
        raise InvalidName(f"The name {name!r} is reserved by the hub. Choose another one.")
    return name


def check_any_account_name(name: str) -> str:
    """Return ``name`` if it may exist as a namespace at all (administrators are freer). Raises InvalidName."""
    if not _ANY_ACCOUNT_NAME.fullmatch(name) or len(name) > 96 or ".." in name:
        raise InvalidName(f"Invalid namespace {name[:120]!r}: use letters, digits, '-', '_' and '.'.")
    return name


def is_oid(text: str) -> bool:
    """Tell whether ``text`` is a full git object id."""
    return _HEX40.fullmatch(text) is not None


def is_short_oid(text: str) -> bool:
    """Tell whether ``text`` may abbreviate an object id (5 to 40 hex characters)."""
    return _SHORT_OID.fullmatch(text) is not None


def parse_sha256(text: str) -> Sha256:
    """Parse 64 lower-case hex characters. Raises InvalidName."""
    if not _HEX64.fullmatch(text):
        raise InvalidName(f"Not a SHA-256 in lower-case hex: {text[:80]!r}.")
    return Sha256(text)


def parse_xet_hash(text: str) -> XetHash:
    """Parse 64 lower-case hex characters. Raises InvalidName."""
    if not _HEX64.fullmatch(text):
        raise InvalidName(f"Not a Xet hash in lower-case hex: {text[:80]!r}.")
    return XetHash(text)


def parse_path(text: str) -> PathInRepo:
    """Check a path in a repository. Raises InvalidPath naming what is wrong.

    Refuses what git or a client's file system could be hurt by: absolute paths, empty, ``.`` and
    ``..`` segments, NUL and control characters, ``.git`` in any case, over-long names.
    """
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise InvalidPath(text, "it is not valid UTF-8") from error
    if not text:
        raise InvalidPath(text, "it is empty")
    if size > MAX_PATH_BYTES:
        raise InvalidPath(text, f"it is longer than {MAX_PATH_BYTES} bytes")
    if text.startswith("/"):
        raise InvalidPath(text, "it must be relative")
    for character in text:
        if ord(character) < 0x20 or ord(character) == 0x7F:
            raise InvalidPath(text, "it contains a control character")
    for segment in text.split("/"):
        _check_segment(text, segment)
    if "\\" in text:
        # Windows takes a backslash for a separator: a download of "..\\x" would leave its directory there.
        for segment in text.replace("\\", "/").split("/"):
            _check_segment(text, segment)
    return PathInRepo(text)


def _check_segment(path: str, segment: str) -> None:
    if segment in ("", ".", ".."):
        raise InvalidPath(path, f"it contains the segment {segment!r}")
    # git's own rules (`verify_path`, `core.protectNTFS/HFS`): `.git` in any case, also when
    # followed by dots or spaces or as the short name git~1, is refused by every clone.
    folded = segment.lower().rstrip(". ")
    if folded in (".git", "git~1") or folded.startswith(".git:"):
        raise InvalidPath(path, "a segment named '.git' is not allowed")
    if len(segment.encode("utf-8")) > MAX_SEGMENT_BYTES:
        raise InvalidPath(path, f"a segment is longer than {MAX_SEGMENT_BYTES} bytes")


def branch_ref(name: str) -> RefName:
    """Return ``refs/heads/<name>``; ``name`` may already be a full branch ref. Raises InvalidName."""
    return RefName("refs/heads/" + check_ref_tail(name.removeprefix("refs/heads/")))


def tag_ref(name: str) -> RefName:
    """Return ``refs/tags/<name>``; ``name`` may already be a full tag ref. Raises InvalidName."""
    return RefName("refs/tags/" + check_ref_tail(name.removeprefix("refs/tags/")))


def pr_ref(number: int) -> RefName:
    """Return the head ref of pull request ``number``."""
    return RefName(f"refs/pr/{number}")


def check_ref_tail(name: str) -> str:
    """Return ``name`` if git accepts it as a branch or tag name. Raises InvalidName.

    Source: ``git check-ref-format``.
    """
    bad = (
        not name
        or len(name.encode("utf-8", "replace")) > 244
        or _REF_FORBIDDEN.search(name)
        or ".." in name
        or "@{" in name
        or name in ("@", "HEAD")
        or name.startswith(("/", "-"))
        or name.endswith(("/", "."))
        or any(not part or part.startswith(".") or part.endswith(".lock") for part in name.split("/"))
    )
    if bad:
        raise InvalidName(f"Invalid branch or tag name {name[:120]!r}.")
    return name
