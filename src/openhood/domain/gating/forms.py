"""The form of a gate: read from a card's metadata, and what people fill in checked against it. Pure.

**Source**: hub-docs ``models-gated.md`` and ``datasets-gated.md``. Cards are written by people, so whatever has no
meaning here is passed over rather than refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from openhood.base.errors import BadRequest
from openhood.domain.gating.countries import EUROPEAN_UNION, find_country
from openhood.domain.gating.types import Answers, FormField, GateForm, Option

ORG_FIELD = "openhood-organization"
"""The input that names the organization somebody asks for."""
OUTSIDE_EU_FIELD = "openhood-outside-eu"
"""The box to tick, on hubs that do not know where people are, at gates that are shut to the European Union."""

_KINDS = ("text", "checkbox", "date_picker", "country", "select", "ip_location")
_MAX_FIELDS = 50
_MAX_NAME = 1000
_MAX_ANSWER = 2000
_MAX_OPTIONS = 500
_MAX_WORDS = 20_000
_TICKED = ("on", "true", "1", "yes")
_UNKNOWN = "unknown"


def read_form(card: Mapping[str, object] | None) -> GateForm:
    """Return the form that a card describes."""
    said = card or {}
    return GateForm(
        heading=_words(said.get("extra_gated_heading")),
        description=_words(said.get("extra_gated_description")),
        prompt=_words(said.get("extra_gated_prompt")),
        button=_words(said.get("extra_gated_button_content")),
        fields=tuple(_fields(said.get("extra_gated_fields")))[:_MAX_FIELDS],
        is_eu_disallowed=said.get("extra_gated_eu_disallowed") is True,
    )


def check_answers(form: GateForm, given: Mapping[str, object], *, country: str | None) -> Answers:
    """Return what is to be kept of a filled-in form: every field, and nothing else.

    Args: ``country`` is where the person is, as a code, if the hub knows it.
    Raises: BadRequest naming every field at fault.
    """
    kept: dict[str, str | bool] = {}
    wrong: list[str] = []
    for field in form.fields:
        if field.kind == "ip_location":
            kept[field.name] = country or _UNKNOWN
            continue
        answer = _answer(field, given.get(field.name))
        if answer is None:
            wrong.append(f"'{field.name[:100]}' {_wanted(field)}")
        else:
            kept[field.name] = answer
    if wrong:
        raise BadRequest(f"The form is not complete: {'; '.join(wrong)}.")
    return kept


def is_shut_to(form: GateForm, given: Mapping[str, object], *, country: str | None) -> bool:
    """Tell whether a gate is shut to whoever is in ``country``.

    Raises: BadRequest where neither the hub nor the person says whether that is in the European Union.
    """
    if not form.is_eu_disallowed:
        return False
    if country is not None:
        return country in EUROPEAN_UNION
    if not _is_ticked(given.get(OUTSIDE_EU_FIELD)):
        raise BadRequest(
            "This repository must not be used in the European Union. Confirm that you are not there "
            f"('{OUTSIDE_EU_FIELD}')."
        )
    return False


def _fields(said: object) -> Iterator[FormField]:
    if isinstance(said, list):
        # Some cards list the fields one by one.
        pairs = [pair for each in said if isinstance(each, dict) for pair in each.items()]
    elif isinstance(said, dict):
        pairs = list(said.items())
    else:
        return
    seen = set()
    for key, value in pairs:
        name = str(key).strip()
        kind = value.get("type") if isinstance(value, dict) else value
        if not name or len(name) > _MAX_NAME or name in seen or kind not in _KINDS:
            continue
        options = tuple(_options(value.get("options"))) if isinstance(value, dict) else ()
        if kind == "select" and not options:
            continue
        seen.add(name)
        yield FormField(name, str(kind), options if kind == "select" else ())


def _options(said: object) -> Iterator[Option]:
    for each in said[:_MAX_OPTIONS] if isinstance(said, list) else ():
        if isinstance(each, dict):
            label, value = each.get("label"), each.get("value")
            shown = value if label is None else label
            if shown is not None:
                yield Option(str(shown), str(shown if value is None else value))
        elif isinstance(each, str | int | float):
            yield Option(str(each), str(each))


def _answer(field: FormField, given: object) -> str | bool | None:
    """Return an answer as it is kept, None where it is none."""
    if field.kind == "checkbox":
        return True if _is_ticked(given) else None
    if not isinstance(given, str | int | float) or isinstance(given, bool):
        return None
    text = str(given).strip()
    if not text or len(text) > _MAX_ANSWER or "\0" in text:
        return None
    if field.kind == "country":
        return find_country(text)
    if field.kind == "date_picker":
        return _day(text)
    if field.kind == "select":
        return text if any(text == option.value for option in field.options) else None
    return " ".join(text.split())


def _day(text: str) -> str | None:
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        return None


def _wanted(field: FormField) -> str:
    if field.kind == "select":
        shown = ", ".join(option.value[:40] for option in field.options[:10])
        return f"must be one of: {shown}"
    return {
        "checkbox": "must be agreed to",
        "country": "must be a country, such as 'FR'",
        "date_picker": "must be a day, written YYYY-MM-DD",
    }.get(field.kind, f"must be filled in, with at most {_MAX_ANSWER} characters")


def _is_ticked(given: object) -> bool:
    return given is True or (isinstance(given, str) and given.strip().lower() in _TICKED)


def _words(said: object) -> str:
    return str(said).strip()[:_MAX_WORDS] if isinstance(said, str | int | float) else ""
