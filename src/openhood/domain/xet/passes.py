"""Who may move chunks: the tokens of the CAS, the address it has, and the domains of dedup.

Whether somebody gets a token is decided in `repos.xet`; here it only is made and read.
"""

from __future__ import annotations

import secrets

from openhood.base.errors import Forbidden, NotFound, Unauthorized
from openhood.domain import links
from openhood.domain.services import Services
from openhood.domain.xet import rows
from openhood.domain.xet.types import Pass, Scope
from openhood.infra.db.engine import Tx

EPOCH = "xet_epoch"
"""Name of the fact that is part of the CAS address. Clients keep a cache per address, so a new one empties them."""

EVERYBODY = 0
"""The domain of what anybody may read."""

_PURPOSE = "xet.cas"
_EPOCH_KNOWN_S = 30


def make_token(sv: Services, given: Pass) -> tuple[str, int]:
    """Return a token for ``given`` and when it ends, in whole seconds since the epoch."""
    lifetime_s = sv.settings.xet.token_lifetime_s
    facts: links.Facts = {
        "user": given.user,
        "repo": given.repo,
        "write": int(given.may_write),
        "gate": given.gate,
    }
    token = links.make_token(sv, purpose=_PURPOSE, facts=facts, lifetime_s=lifetime_s)
    return token, int(sv.clock.now().timestamp()) + lifetime_s


def read_token(sv: Services, token: str | None, *, write: bool) -> Pass:
    """Return what a CAS token permits.

    Raises: Unauthorized for none, a wrong or an expired one; Forbidden for one that may only read.
    """
    if not token:
        raise Unauthorized("The Xet service needs the access token that the hub gave for this repository.")
    try:
        facts = links.check_token(sv, token, purpose=_PURPOSE)
    except links.ExpiredLink:
        raise Unauthorized("The Xet access token has expired. Start the transfer again.") from None
    except links.BadLink:
        raise Unauthorized("The Xet access token is not valid for this hub.") from None
    # A token of the release before says nothing of a gate.
    found = Pass(int(facts["user"]), int(facts["repo"]), bool(facts["write"]), int(facts.get("gate", 0)))
    if write and not found.may_write:
        raise Forbidden("This Xet access token may only read. Ask for a write token of the repository.")
    return found


def check_gate(sv: Services, given: Pass) -> None:
    """Raise Forbidden if the authors took back the access by which this pass was given. Opens a read unit then."""
    if not given.gate:
        return
    with sv.db.read() as tx:
        is_admitted = rows.is_admitted(tx, given.gate)
    if not is_admitted:
        raise Forbidden("Your access to this repository was taken back by its authors.")


def find_scope(sv: Services, given: Pass) -> Scope:
    """Return the repository behind a pass as it is now. Opens a read unit. Raises NotFound when it is gone."""
    with sv.db.read() as tx:
        return get_scope(tx, sv, given)


def get_scope(tx: Tx, sv: Services, given: Pass) -> Scope:
    """Do as `find_scope` in a unit of the caller's."""
    found = rows.get_owner_and_exposure(tx, given.repo)
    if found is None:
        raise NotFound("The repository was deleted.")
    owner, is_open = found
    return Scope(given.repo, owner, *_domains(sv.settings.xet.dedup, owner, is_open=is_open))


def _domains(policy: str, owner: int, *, is_open: bool) -> tuple[tuple[int, ...], int | None]:
    """Return the domains to ask, and the one to tell, for a repository of ``owner``."""
    if policy == "off":
        return (), None
    if policy == "hub":
        return (EVERYBODY,), EVERYBODY
    return (EVERYBODY, owner), EVERYBODY if is_open else owner


def epoch(sv: Services) -> str:
    """Return the part of the CAS address that names this installation's chunks. May open units."""
    # Asked with every download: what it was in this half minute never changes, so that may be remembered.
    fact = ("xet epoch", int(sv.clock.now().timestamp()) // _EPOCH_KNOWN_S)
    known = sv.facts.get(fact)
    if isinstance(known, str):
        return known
    with sv.db.read() as tx:
        found = rows.get_fact(tx, EPOCH)
    if found is None:
        with sv.db.write() as tx:
            rows.put_fact(tx, EPOCH, secrets.token_hex(6), replace=False)
            found = rows.get_fact(tx, EPOCH)
    assert found is not None
    sv.facts.put(fact, found, weight=200)
    return found


def change_epoch(sv: Services) -> str:
    """Move the CAS to a new address, so that every client starts with an empty cache. Opens a write unit."""
    made = secrets.token_hex(6)
    with sv.db.write() as tx:
        rows.put_fact(tx, EPOCH, made, replace=True)
    return made
