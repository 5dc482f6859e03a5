"""What settings are for and where their values came from, in the language of whoever reads the administration."""

from __future__ import annotations

from openhood.base import settings
from openhood.http.pages.phrases import Phrases, Speaker

_ORIGINS = Phrases(
    (
        "command line",
        "command line, or changed since the start",
        "environment",
        "environment {}",
        "file {}",
        "made at the first start",
        "unknown: the settings file cannot be read now",
    )
)


def sentences() -> list[str]:
    """Return what catalogues translate."""
    return [*settings.describe_all().values(), *_ORIGINS]


def origin_told(speaker: Speaker, origin: str) -> str:
    """Return where a value came from."""
    return _ORIGINS.told(speaker, origin) or origin
