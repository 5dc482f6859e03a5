"""Every key in the object store is built here.

The bucket, drawn as a tree::

    git/<repo number>/<pack name>.pack|.idx     immutable packs of one repository
    lfs/<2 hex>/<2 hex>/<sha256>-<upload id>    one verified upload; the row says which one counts
    xorbs/<2 hex>/<hash>-<upload id>            a verified xorb with its footer; the row says which one counts
    staging/<grant id>                          what a client sent straight here, not verified yet
    avatars/<account>/<32 hex>.<ending>         a picture that an account shows; the account's row names it
    attachments/<2 hex>/<attachment id>         a picture, sound or film shown in a comment
"""

from __future__ import annotations

import re

from openhood.base.names import Sha256, XetHash

_GIT = re.compile(r"git/([0-9]+)/([0-9a-f]{40})\.(?:pack|idx)")


def git_pack(repo: int, name: str) -> str:
    """Key of a pack of repository number ``repo``; ``name`` is the pack's 40-hex checksum."""
    return f"git/{repo}/{name}.pack"


def git_index(repo: int, name: str) -> str:
    """Key of the index that belongs to `git_pack`."""
    return f"git/{repo}/{name}.idx"


def git_prefix(repo: int) -> str:
    """Prefix of everything stored for the git side of repository number ``repo``."""
    return f"git/{repo}/"


def parse_git(key: str) -> tuple[int, str] | None:
    """Return the repository number and the pack's name of a key under ``git/``, None for other keys."""
    found = _GIT.fullmatch(key)
    return None if found is None else (int(found[1]), found[2])


def lfs_object(sha256: Sha256, upload: str) -> str:
    """Key under which upload ``upload`` of the object lands.

    The upload's id makes it unique, so a failed or false upload can never replace good bytes.
    """
    return f"lfs/{sha256[:2]}/{sha256[2:4]}/{sha256}-{upload}"


def xorb(name: XetHash, upload: str) -> str:
    """Key under which upload ``upload`` of the xorb lands; unique for the same reason as `lfs_object`.

    A late deletion of an old key can therefore never hit bytes that were sent again. They are few and large, so
    one level is enough: each new directory costs a local store two syncs.
    """
    return f"xorbs/{name[:2]}/{name}-{upload}"


def staging(grant: str) -> str:
    """Key that a client with grant ``grant`` may write."""
    return f"staging/{grant}"


def attachment(name: str) -> str:
    """Key of what was uploaded to be shown in comments, under its 32-hex id."""
    return f"attachments/{name[:2]}/{name}"


def avatar(file: str) -> str:
    """Key of an account's picture; ``file`` is ``<account's hex id>/<digest>.<ending>``."""
    return f"avatars/{file}"
