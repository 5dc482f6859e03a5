"""What browsers are told a page may load: this hub's own things, and files where the object store hands them out.

Nothing from other hosts, no script or style in the page itself, no frame around it, forms to this hub only.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from openhood.base.errors import Unavailable
from openhood.domain.services import Services

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_KEY = ("origin of the store",)
_PROBE = "policy/probe"


def learn_store(sv: Services) -> str:
    """Return the origin that files of repositories are fetched from where that is not the hub, else an empty text.

    For worker threads: the store may have to look for its credentials. Where it finds none now, pages are shown
    nevertheless, and the next one asks again.
    """
    try:
        return sv.facts.of(_KEY, lambda: _Origin(_origin_of(sv)), weigh=lambda _found: 200).text
    except Unavailable:
        return ""


def known_store(sv: Services) -> str:
    """Return the same where it is known already, else an empty text."""
    found = sv.facts.get(_KEY)
    return found.text if isinstance(found, _Origin) else ""


def policy_of(sv: Services) -> str:
    """Return the policy of a page: pictures, sound, films and uploads may go to the store that presigns addresses."""
    store = known_store(sv)
    if not store:
        return POLICY
    return (
        POLICY.replace("img-src 'self' data:", f"img-src 'self' data: {store}")
        + f"; media-src 'self' {store}; connect-src 'self' {store}"
    )


class _Origin:
    """An origin as the cache keeps it, which holds no None."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def _origin_of(sv: Services) -> str:
    if not sv.settings.redirect_downloads:
        return ""
    # Nothing is asked of the service for this.
    url = sv.objects.presign_get(_PROBE, expires_s=60, headers={})
    if url is None:
        return ""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
