"""The links on a profile as addresses: what people give is a name at some network, or an address there. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

_PLACES: Mapping[str, tuple[str, str]] = {
    "github": ("GitHub", "https://github.com/{}"),
    "twitter": ("X", "https://x.com/{}"),
    "bluesky": ("Bluesky", "https://bsky.app/profile/{}"),
    "linkedin": ("LinkedIn", "https://www.linkedin.com/in/{}"),
    "scholar": ("Google Scholar", "https://scholar.google.com/citations?user={}"),
    "youtube": ("YouTube", "https://www.youtube.com/@{}"),
}


@dataclass(frozen=True, slots=True)
class Link:
    """A link to show: where it leads, the network, and what is written."""

    network: str
    href: str
    text: str


def links_of(socials: Mapping[str, str]) -> tuple[Link, ...]:
    """Return the links of an account in a fixed order; what would be no address of the web is left out."""
    names = ("website", *_PLACES, "mastodon")
    return tuple(link for name in names if name in socials if (link := _link(name, socials[name])))


def _link(network: str, value: str) -> Link | None:
    label = "Website" if network == "website" else _PLACES.get(network, ("Mastodon", ""))[0]
    if value.startswith(("https://", "http://")):
        parts = urlsplit(value)
        return Link(label, value, f"{parts.netloc}{parts.path.rstrip('/')}")
    if network == "website" or not value:
        return None
    if network == "mastodon":
        user, at, host = value.lstrip("@").partition("@")
        return Link(label, f"https://{quote(host)}/@{quote(user)}", value) if at and host and user else None
    return Link(label, _PLACES[network][1].format(quote(value.lstrip("@"), safe="")), value)
