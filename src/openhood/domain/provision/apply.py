"""Applying a provision file: accounts first, then repositories and aliases, each only where it differs.

Nothing the file does not name is touched. There is no transaction around it all: what came before a refusal
stays, and applying the mended file again does the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

from openhood.base.names import RepoType
from openhood.domain.provision.accounts import apply_org, apply_user
from openhood.domain.provision.document import Document
from openhood.domain.provision.items import Item
from openhood.domain.provision.repositories import apply_alias, apply_repo
from openhood.domain.services import Services


def apply_document(sv: Services, document: Document, *, dry: bool) -> Iterator[Item]:
    """Bring the hub to what ``document`` says and yield what became of each thing, in turn.

    Opens units of its own, also beside a running hub. Args: ``dry``: only say what would become of it.
    Raises: ProvisionFailed naming the place in the file.
    """
    expected = frozenset(document.account_names())
    for number, user in enumerate(document.users):
        yield from apply_user(sv, user, place=f"users[{number}]", base=document.base, dry=dry)
    for number, org in enumerate(document.organizations):
        yield from apply_org(sv, org, place=f"organizations[{number}]", expected=expected, dry=dry)
    for number, repo in enumerate(document.repositories):
        yield from apply_repo(
            sv, repo, place=f"repositories[{number}]", base=document.base, expected=expected, dry=dry
        )
    for kind in RepoType:
        for name, target in document.aliases.by_type(kind).items():
            yield apply_alias(sv, kind, name, target, place=f"aliases.{kind.plural}.{name}", dry=dry)
