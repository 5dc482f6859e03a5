"""The words of pages in the person's language: English as written in the templates, others from gettext catalogues.

Catalogues are ``locales/<language>/messages.po``, read once when this module is imported.
"""

from __future__ import annotations

import gettext
from datetime import datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from openhood.http.context import Call
from openhood.http.pages import labels
from openhood.http.pages.shown import ENGLISH as ENGLISH_FIGURES
from openhood.http.pages.shown import Figures, age

LOCALES = Path(__file__).parent.parent / "locales"
ENGLISH = "en"


class Words(gettext.NullTranslations):
    """The sentences of one language; what a catalogue lacks is said in English."""

    def __init__(self, language: str, catalog: Catalog | None) -> None:
        super().__init__()
        self.language = language
        self._said: dict[str, tuple[str, ...]] = {}
        self._plural = (
            None if catalog is None else gettext.c2py(catalog.plural_expr)
        )  # what gettext itself reads the rule with
        for message in catalog or ():
            if message.id and message.string and not message.fuzzy:
                ids = message.id if isinstance(message.id, tuple | list) else (message.id,)
                strings = message.string if isinstance(message.string, tuple | list) else (message.string,)
                if all(strings):
                    self._said[ids[0]] = tuple(strings)

    @property
    def figures(self) -> Figures:
        """How numbers are written in this language."""
        if self.language == ENGLISH:
            return ENGLISH_FIGURES
        _ = self.gettext
        return labels.figures_of(self.language, _("B"))

    def label(self, name: str, category: str) -> str:
        """Return what a tag is called in this language. *Args*: ``name`` is its English name."""
        if self.language == ENGLISH:
            return name
        if category == "language":
            return labels.languages_in(self.language).get(name) or self.gettext(name)
        return self.gettext(name) if category in labels.TRANSLATED else name

    def country(self, code: str, name: str) -> str:
        """Return what a country is called in this language. *Args*: ``name`` is its English name."""
        return name if self.language == ENGLISH else labels.countries_in(self.language).get(code, name)

    def gettext(self, message: str) -> str:
        """Return a sentence in this language."""
        found = self._said.get(message)
        return message if found is None else found[0]

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Return a sentence in the form that a number asks for."""
        found = self._said.get(msgid1)
        if found is None or self._plural is None:
            return msgid1 if n == 1 else msgid2
        return found[min(int(self._plural(n)), len(found) - 1)]

    def ago(self, moment: datetime, now: datetime) -> str:
        """Return how long ago a moment was, in words."""
        unit, number = age(moment, now)
        _, n_ = self.gettext, self.ngettext
        if unit == "now":
            return _("just now")
        said = {
            "minute": n_("%(num)s minute ago", "%(num)s minutes ago", number),
            "hour": n_("%(num)s hour ago", "%(num)s hours ago", number),
            "day": n_("%(num)s day ago", "%(num)s days ago", number),
            "month": n_("%(num)s month ago", "%(num)s months ago", number),
            "year": n_("%(num)s year ago", "%(num)s years ago", number),
        }
        return said[unit] % {"num": number}


def _load() -> dict[str, Words]:
    languages = {ENGLISH: Words(ENGLISH, None)}
    for path in sorted(LOCALES.glob("*/messages.po")):
        with path.open("rb") as file:
            languages[path.parent.name] = Words(path.parent.name, read_po(file, locale=path.parent.name))
    return languages


LANGUAGES = _load()


def words_of(call: Call) -> Words:
    """Return the language of a request: what the person chose (a cookie), else what the browser prefers."""
    chosen = call.request.cookies.get("language", "")
    if chosen in LANGUAGES:
        return LANGUAGES[chosen]
    for name in _preferred(call.request.headers.get("accept-language", "")):
        if name in LANGUAGES:
            return LANGUAGES[name]
    return LANGUAGES[ENGLISH]


def _preferred(header: str) -> list[str]:
    """Return the languages of an ``Accept-Language`` header, the most wanted first, without their regions."""
    ranked: list[tuple[float, str]] = []
    for part in header[:200].split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            ranked.append((-float(weight or 1), name.partition("-")[0].lower()))
        except ValueError:
            continue
    return [name for _, name in sorted(ranked, key=lambda each: each[0])]
