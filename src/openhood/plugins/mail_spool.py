"""Letters written into a maildir: for hubs whose mail another program fetches, and for looking at what would be sent.

``spool:///directory``. A letter is written to ``tmp`` and moved to ``new``: readers see whole ones only.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from openhood.base.errors import Unavailable
from openhood.base.ports import Letter
from openhood.plugins.mail_message import make_message


@dataclass(frozen=True, slots=True)
class SpoolMailer:
    """One maildir. Any thread or process may write to it."""

    folder: Path

    def send(self, letter: Letter) -> None:
        """Write a letter durably. Raises Unavailable, LetterRefused."""
        data = make_message(letter).as_bytes()
        host = socket.gethostname().replace("/", "_").replace(":", "_")
        name = f"{int(time.time())}.{os.getpid()}_{secrets.token_hex(8)}.{host}"
        draft, place = self.folder / "tmp" / name, self.folder / "new" / name
        try:
            self._make_folders()
            with open(draft, "xb", opener=_private) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(place)
            _sync(place.parent)
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            raise Unavailable(f"The letter cannot be written to {self.folder}: {error}") from error

    def check(self) -> None:
        """Raise Unavailable unless letters can be written."""
        try:
            self._make_folders()
        except OSError as error:
            raise Unavailable(f"{self.folder} cannot be written: {error}") from error
        if not os.access(self.folder / "tmp", os.W_OK):
            raise Unavailable(f"{self.folder} cannot be written.")

    def close(self) -> None:
        """Nothing is kept open."""

    def _make_folders(self) -> None:
        for name in ("tmp", "new", "cur"):
            (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)


def open_mailer(url: str) -> SpoolMailer:
    """Return the mailer of a URL. Raises ValueError for one that cannot be used."""
    parts = urlsplit(url)
    path = Path(unquote(parts.path))
    if parts.netloc or not path.is_absolute() or path == Path("/"):
        raise ValueError("write the directory in full: spool:///var/spool/openhood")
    return SpoolMailer(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
