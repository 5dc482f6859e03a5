"""Under which name and address the hub writes commits and tags for a viewer."""

from __future__ import annotations

from urllib.parse import urlsplit

from openhood.domain.access import Viewer
from openhood.domain.services import Services
from openhood.engines.git.objects import Signature


def sign(sv: Services, viewer: Viewer) -> Signature:
    """Return the signature of ``viewer`` at this moment.

    The address is ``name@users.noreply.<host>``, which reaches nobody: commits are public for ever, and
    the address a person signed up with is not.
    """
    host = urlsplit(sv.settings.public_url or "").hostname or "localhost"
    email = f"{viewer.name}@users.noreply.{host}"
    return Signature(viewer.fullname or viewer.name, email, sv.clock.now())
