"""What every action is handed: the settings and the opened parts of this process.

Built once by ``app.py`` and frozen; no part can be looked up by name, and none is replaced later.
"""

from __future__ import annotations

from dataclasses import dataclass

from openhood.base.clock import Clock
from openhood.base.ports import ObjectStore
from openhood.base.settings import Settings
from openhood.engines.git.handles import ObjectDbs
from openhood.infra.cache import FactCache
from openhood.infra.db.engine import Database
from openhood.infra.packcache import PackCache


@dataclass(frozen=True, slots=True)
class Services:
    """The parts an action may use.

    ``packs`` and ``object_dbs`` are used through ``repos.gitdb``, ``facts`` holds only what can
    never go stale.
    """

    settings: Settings
    clock: Clock
    db: Database
    objects: ObjectStore
    packs: PackCache
    object_dbs: ObjectDbs
    facts: FactCache
