"""A process beside the hub that collects garbage, or converts, without a pause, as other replicas may.

    python -m crash.collector DATA_DIR collect|convert

Settings come from the environment. The bytes of what is forgotten go after seconds instead of hours.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from openhood.app import open_services
from openhood.base.clock import SystemClock
from openhood.base.errors import HubError
from openhood.base.settings import load_settings
from openhood.domain.services import Services
from openhood.domain.storage import gc as storage_gc
from openhood.domain.xet import conversion, conversion_rows
from openhood.domain.xet import gc as xet_gc

BYTES_GRACE_S = 3.0


class _Ahead:
    """A clock that goes before the others, so that a grace seems to be over."""

    def __init__(self, ahead_s: float) -> None:
        self._ahead = timedelta(seconds=ahead_s)

    def now(self) -> datetime:
        """Return the moment."""
        return SystemClock().now() + self._ahead


def _collect(sv: Services) -> None:
    later = replace(sv, clock=_Ahead(storage_gc.FORGOTTEN_GRACE_S - BYTES_GRACE_S))
    done = xet_gc.collect(sv)
    storage_gc.delete_doomed(later, {})
    if done.deleted.count:
        print(f"deleted {done.deleted.count} xorbs", flush=True)


def _convert(sv: Services) -> None:
    with sv.db.read() as tx:
        whole = conversion_rows.list_unconverted(tx, after="", limit=20)
    for sha256, _size in whole:
        # The hub has jobs for the same: whoever comes second finds it done, or throws its work away.
        with suppress(HubError):
            conversion.convert_object(sv, {"sha256": sha256})


def main() -> None:
    """Work until killed."""
    settings, _ = load_settings(environ=os.environ, flags={"data_dir": Path(sys.argv[1])})
    sv = open_services(settings, migrate=False)
    work = {"collect": _collect, "convert": _convert}[sys.argv[2]]
    while True:
        work(sv)
        time.sleep(0.02)


if __name__ == "__main__":
    main()
