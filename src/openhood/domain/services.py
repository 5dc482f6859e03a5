"""What every action is handed: the settings and the opened parts of this process.

Built once by ``app.py`` and frozen; no part can be looked up by name, and none is replaced later.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from openhood.base.clock import Clock
from openhood.base.ports import Mailer, ObjectStore
from openhood.base.settings import Settings
from openhood.engines.git.handles import ObjectDbs
from openhood.engines.xet import verifying
from openhood.infra.attempts import Attempts
from openhood.infra.blocks import Blocks
from openhood.infra.cache import FactCache
from openhood.infra.db.engine import Database
from openhood.infra.decoded import DecodedCache
from openhood.infra.flights import Flights
from openhood.infra.helpers import Helpers
from openhood.infra.issuers import Issuers
from openhood.infra.packcache import PackCache
from openhood.infra.tallies import Tallies
from openhood.infra.uses import RecentUses
from openhood.infra.workers import Workers

PAGES_BYTES = 64 * 1024 * 1024


def _make_verifiers() -> Helpers:
    return Helpers(verifying.__name__, memory_bytes=verifying.MEMORY_BYTES)


@dataclass(frozen=True, slots=True)
class Services:
    """The parts an action may use.

    ``packs`` and ``object_dbs`` are used through ``repos.gitdb``, ``facts`` holds only what can
    never go stale, ``pages`` answers of the dataset viewer by commit, ``xorb_indexes`` the footers of xorbs by key,
    ``decoded`` files joined from chunks, ``blocks`` parts of files that the dataset viewer read; ``tables`` are the
    processes that read them. ``attempts`` counts wrong secrets, ``token_uses`` remembers which tokens were used until
    that is written down, ``downloads`` counts them likewise, ``flights`` are long computations that several wait for;
    all four are this process's own.
    """

    settings: Settings
    clock: Clock
    db: Database
    objects: ObjectStore
    packs: PackCache
    object_dbs: ObjectDbs
    facts: FactCache
    xorb_indexes: FactCache
    decoded: DecodedCache
    blocks: Blocks
    tables: Workers
    attempts: Attempts = field(default_factory=Attempts)
    token_uses: RecentUses = field(default_factory=RecentUses)
    downloads: Tallies = field(default_factory=Tallies)
    flights: Flights = field(default_factory=Flights)
    pages: FactCache = field(default_factory=lambda: FactCache(PAGES_BYTES))
    issuers: Issuers = field(default_factory=Issuers)
    verifiers: Helpers = field(default_factory=_make_verifiers)
    mailer: Mailer | None = None
