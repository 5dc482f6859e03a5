"""What the Hub expects of a card's metadata, and what is wrong or missing in one.

Errors are what a commit would be refused for, warnings are advice. The words are `vocabulary`'s, reading
YAML is `card`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from openhood.base.errors import InvalidCard
from openhood.base.names import RepoType
from openhood.engines.formats import card_shapes as shapes
from openhood.engines.formats import vocabulary
from openhood.engines.formats.card import parse_card
from openhood.engines.formats.card_shapes import Finding, is_list, is_mapping, is_number, shown

LICENSES = frozenset(vocabulary.licenses())
"""License identifiers the Hub knows."""

PIPELINE_TAGS = frozenset({*vocabulary.tasks(), "conversational"})
"""Tasks a model may name as its pipeline; the last is one that older cards have."""

SPACE_SDKS = ("gradio", "streamlit", "docker", "static")
SPACE_COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")

RELATIONS = ("adapter", "merge", "quantized", "finetune")
"""How a model can relate to its base, and what ``base_model_relation`` may say."""

_REPO_ID = re.compile(r"[\w.-]{1,96}(?:/[\w.-]{1,96})?")
_LICENSE_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]{0,95}")
_LICENSE_FILES = ("LICENSE", "LICENSE.md", "LICENSE.txt")
_DURATION = re.compile(r"\d{1,9}(?:\.\d{1,9})? ?(?:ms|s|m|h|d|minutes?|hours?|seconds?)?")
_MAX_SHORT_DESCRIPTION = 60
_MAX_OAUTH_MINUTES = 43_200
_HARDWARE = (
    "cpu-basic cpu-upgrade zero-a10g t4-small t4-medium l4x1 l4x4 l40sx1 l40sx4 l40sx8 a10g-small a10g-large "
    "a10g-largex2 a10g-largex4 a100-large a100x4 a100x8 rtx-pro-6000 rtx-pro-6000x2 rtx-pro-6000x4 rtx-pro-6000x8"
)
_STORAGE = ("small", "medium", "large")
_CUSTOM_HEADERS = (
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
)
_MAX_FINDINGS = 50
_MAX_HINTS = 5


@dataclass(frozen=True, slots=True)
class CardReport:
    """The outcome of `validate_card`, sentences for people."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]


def validate_card(text: str, repo_type: RepoType | None) -> CardReport:
    """Check a card's text; ``repo_type`` None checks only what holds for every type. Pure; linear in its length.

    Of the errors and of the warnings the first 50 are told. An unknown language is a warning here, where
    the Hub refuses it: a copy of an older repository must be possible.

    **Source**: ``POST /api/validate-yaml`` as huggingface_hub uses it (``repocard.py::validate``,
    ``_commit_api.py``), and its test that an unknown license is an error naming the known ones; hub-docs
    ``modelcard.md``, ``datasetcard.md``, ``spaces-config-reference.md``.
    """
    try:
        card = parse_card(text)
    except InvalidCard as error:
        return CardReport((error.message,), ())
    if not card:
        return CardReport(
            _missing_space_fields(repo_type),
            (
                "empty or missing yaml metadata in repo card: begin README.md with a block between two lines '---'",
            ),
        )
    found: tuple[list[str], list[str]] = ([], [])
    left_out = [0, 0]
    for check in (_common, _CHECKS.get(repo_type, _nothing)):
        for is_error, sentence in check(card):
            kind = 0 if is_error else 1
            if len(found[kind]) < _MAX_FINDINGS:
                found[kind].append(sentence)
            else:
                left_out[kind] += 1
    for sentences, more in zip(found, left_out, strict=True):
        if more:
            sentences.append(f"and {more} more like these")
    return CardReport(tuple(found[0]), tuple(found[1]))


def texts(value: object) -> list[str]:
    """Return a value given as one text or as a list of texts, as a list of texts; other things are left out."""
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _missing_space_fields(repo_type: RepoType | None) -> tuple[str, ...]:
    return ('"sdk" is required',) if repo_type is RepoType.SPACE else ()


def _nothing(_card: Mapping[str, object]) -> Iterator[Finding]:
    return iter(())


def _common(card: Mapping[str, object]) -> Iterator[Finding]:
    yield from _license(card)
    yield from _lists_of_texts(card, ("tags", "language", "datasets", "metrics"))
    yield from _languages(card.get("language"))
    yield from _texts_only(card, ("thumbnail", "extra_gated_prompt", "extra_gated_heading"))
    fields = card.get("extra_gated_fields")
    if fields is not None and not is_mapping(fields) and not _are_mappings(fields):
        yield True, '"extra_gated_fields" must be of type object'


def _license(card: Mapping[str, object]) -> Iterator[Finding]:
    yield from _texts_only(card, ("license_name", "license_link"))
    if "license" not in card:
        return
    value = card["license"]
    problems = list(shapes.text_or_texts("license", value))
    yield from problems
    if problems:
        return
    names = texts(value)
    unknown = next((name for name in names if name.lower() not in LICENSES), None)
    if unknown is not None:
        yield True, f'"license" must be one of [{", ".join(sorted(LICENSES))}]{_hint(unknown, LICENSES)}'
    elif "other" not in names:
        if isinstance(card.get("license_name"), str):
            yield False, '"license_name" is for licenses that are not in the list: it needs "license: other"'
    elif not card.get("license_name"):
        yield False, '"license_name" and "license_link" should be given when "license" is "other"'
    else:
        yield from _own_license(card["license_name"], card.get("license_link"))


def _own_license(name: object, link: object) -> Iterator[Finding]:
    if isinstance(name, str) and not _LICENSE_NAME.fullmatch(name):
        yield (
            False,
            f'"license_name" "{shown(name)}" should be an id of lower-case letters, digits, "-", "." and "_"',
        )
    if link is None:
        yield False, '"license_link" is missing: name the file with the license, or its address'
    elif (
        isinstance(link, str) and link not in _LICENSE_FILES and not link.startswith(("https://", "http://"))
    ):
        yield False, f'"license_link" "{shown(link)}" should be "LICENSE", "LICENSE.md" or an address'


def _languages(value: object) -> Iterator[Finding]:
    for number, language in enumerate(texts(value)):
        name = "language" if isinstance(value, str) else f"language[{number}]"
        if language != language.lower():
            yield True, f'"{name}" must only contain lowercase characters, got "{shown(language)}"'
        elif not vocabulary.is_language(language):
            code = vocabulary.language_code(language) if len(language) <= 64 else None
            yield (
                False,
                f'"{name}" must be an ISO 639-1, 639-2 or 639-3 code, or "code" or "multilingual"; '
                f'got "{shown(language)}"{_meant(code)}',
            )


def _model(card: Mapping[str, object]) -> Iterator[Finding]:
    if "license" not in card:
        yield False, '"license" is missing: people cannot know whether they may use this model'
    yield from _texts_only(card, ("pipeline_tag", "library_name"))
    yield from _unknown_task(card.get("pipeline_tag"))
    library = card.get("library_name")
    if isinstance(library, str) and library not in _known_libraries():
        yield (
            False,
            f'"library_name" "{shown(library)}" is not in the list of known libraries'
            f"{_hint(library, _known_libraries())}",
        )
    yield from _bases(card)
    yield from _repo_ids(card, "datasets", kind="dataset")
    if card.get("widget") is not None and not is_list(card["widget"]):
        yield True, '"widget" must be an array'
    emissions = card.get("co2_eq_emissions")
    if emissions is not None and not is_number(emissions):
        if not is_mapping(emissions):
            yield False, '"co2_eq_emissions" should be of type object'
        elif not is_number(emissions.get("emissions")):
            yield False, '"co2_eq_emissions.emissions" should be a number, in grams'
    if card.get("model-index") is not None:
        yield from shapes.model_index(card["model-index"])


def _unknown_task(task: object) -> Iterator[Finding]:
    if isinstance(task, str) and task not in PIPELINE_TAGS:
        yield (
            False,
            f'"pipeline_tag" "{shown(task)}" is not in the list of known tasks{_hint(task, PIPELINE_TAGS)}',
        )


def _bases(card: Mapping[str, object]) -> Iterator[Finding]:
    base = card.get("base_model")
    if base is not None:
        yield from shapes.text_or_texts("base_model", base)
    for name in texts(base):
        if not _REPO_ID.fullmatch(name):
            yield (
                True,
                f'"base_model" with value "{shown(name)}" is not valid. Use a model id from this hub.',
            )
    relation = card.get("base_model_relation")
    if relation is not None and relation not in RELATIONS:
        yield False, f'"base_model_relation" must be one of [{", ".join(RELATIONS)}], else it is guessed'
    elif relation is not None and not texts(base):
        yield False, '"base_model_relation" needs "base_model" to be given'
    newer = card.get("new_version")
    if newer is not None and not (isinstance(newer, str) and _REPO_ID.fullmatch(newer)):
        yield False, f'"new_version" with value "{shown(newer)}" is not valid. Use a model id from this hub.'


def _dataset(card: Mapping[str, object]) -> Iterator[Finding]:
    if "license" not in card:
        yield False, '"license" is missing: people cannot know whether they may use this dataset'
    yield from _lists_of_texts(card, _DATASET_LISTS)
    yield from _texts_only(card, ("pretty_name", "paperswithcode_id"))
    yield from _official("task_categories", card.get("task_categories"), PIPELINE_TAGS)
    yield from _official("task_ids", card.get("task_ids"), vocabulary.subtasks())
    yield from _official(
        "size_categories", card.get("size_categories"), vocabulary.dataset_words()["size_categories"]
    )
    viewer = card.get("viewer")
    if viewer is not None and not isinstance(viewer, bool):
        yield True, '"viewer" must be a boolean'
    if card.get("configs") is not None:
        yield from shapes.configs(card["configs"])
    if card.get("dataset_info") is not None:
        yield from shapes.dataset_info(card["dataset_info"])


_DATASET_LISTS = (
    "task_categories",
    "task_ids",
    "size_categories",
    "annotations_creators",
    "language_creators",
    "multilinguality",
    "source_datasets",
)


def _official(key: str, value: object, known: Iterable[str]) -> Iterator[Finding]:
    """Warn of words that are in no list; for the first few, say what may be meant."""
    words = frozenset(known)
    unknown = (word for word in texts(value) if word not in words)
    for number, word in enumerate(unknown):
        hint = ""
        if number < _MAX_HINTS:
            hint = _hint(word, words) or f": {', '.join(sorted(words)[:100])}"
        yield False, f'The {key} "{shown(word)}" is not in the official list{hint}'


def _space(card: Mapping[str, object]) -> Iterator[Finding]:
    sdk = card.get("sdk")
    if sdk is None:
        yield True, '"sdk" is required'
    elif sdk not in SPACE_SDKS:
        yield True, f'"sdk" must be one of [{", ".join(SPACE_SDKS)}]'
    for name, allowed in (("colorFrom", SPACE_COLORS), ("colorTo", SPACE_COLORS)):
        if card.get(name) is not None and card[name] not in allowed:
            yield True, f'"{name}" must be one of [{", ".join(allowed)}]'
    description = card.get("short_description")
    if description is not None and (
        not isinstance(description, str) or len(description) > _MAX_SHORT_DESCRIPTION
    ):
        yield (
            True,
            f'"short_description" length must be less than or equal to {_MAX_SHORT_DESCRIPTION} characters long',
        )
    yield from _texts_only(card, ("title", "emoji", "app_file", "app_build_command", "base_path"))
    for name in ("pinned", "fullWidth", "hf_oauth", "disable_embedding"):
        if card.get(name) is not None and card[name] not in (True, False, "true", "false"):
            yield True, f'"{name}" must be a boolean'
    yield from _whole_number(card, "app_port", low=1, high=65_535)
    yield from _whole_number(card, "hf_oauth_expiration_minutes", low=1, high=_MAX_OAUTH_MINUTES)
    yield from _lists_of_texts(
        card, ("models", "hf_oauth_scopes", "hf_oauth_authorized_org", "preload_from_hub")
    )
    yield from _repo_ids(card, "models", kind="model")
    yield from _repo_ids(card, "datasets", kind="dataset")
    yield from _space_advice(card)


def _space_advice(card: Mapping[str, object]) -> Iterator[Finding]:
    choices: tuple[tuple[str, Sequence[str]], ...] = (
        ("header", ("mini", "default")),
        ("suggested_hardware", _HARDWARE.split()),
        ("suggested_storage", _STORAGE),
    )
    for name, allowed in choices:
        if card.get(name) is not None and card[name] not in allowed:
            yield False, f'"{name}" should be one of [{", ".join(allowed)}]'
    if card.get("app_port") is not None and card.get("sdk") in ("gradio", "static", "streamlit"):
        yield False, '"app_port" is used only where "sdk" is "docker"'
    path = card.get("base_path")
    if isinstance(path, str) and not path.startswith("/"):
        yield False, '"base_path" should begin with "/"'
    timeout = card.get("startup_duration_timeout")
    if timeout is not None and not (isinstance(timeout, str) and _DURATION.fullmatch(timeout)):
        yield False, '"startup_duration_timeout" should be a duration such as "30m" or "1h"'
    headers = card.get("custom_headers")
    if headers is not None and not (is_mapping(headers) and set(headers) <= set(_CUSTOM_HEADERS)):
        yield False, f'"custom_headers" should be an object with no keys but [{", ".join(_CUSTOM_HEADERS)}]'


def _whole_number(card: Mapping[str, object], name: str, *, low: int, high: int) -> Iterator[Finding]:
    value = card.get(name)
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        yield True, f'"{name}" must be a number'
    elif not low <= value <= high:
        yield True, f'"{name}" must be from {low} to {high}'


def _repo_ids(card: Mapping[str, object], name: str, *, kind: str) -> Iterator[Finding]:
    for each in texts(card.get(name)):
        if not _REPO_ID.fullmatch(each):
            yield False, f'"{name}" with value "{shown(each)}" is not valid. Use a {kind} id from this hub.'


def _lists_of_texts(card: Mapping[str, object], names: Sequence[str]) -> Iterator[Finding]:
    for name in names:
        if card.get(name) is not None:
            yield from shapes.text_or_texts(name, card[name])


def _texts_only(card: Mapping[str, object], names: Sequence[str]) -> Iterator[Finding]:
    for name in names:
        if card.get(name) is not None and not isinstance(card[name], str):
            yield True, f'"{name}" must be a string'


def _are_mappings(value: object) -> bool:
    return is_list(value) and all(is_mapping(item) for item in value)


def _known_libraries() -> Mapping[str, object]:
    return {**vocabulary.libraries(), **vocabulary.formats()}


def _hint(word: str, known: Iterable[str]) -> str:
    return _meant(vocabulary.suggest(word, known))


def _meant(word: str | None) -> str:
    return "" if word is None else f'; did you mean "{word}"?'


_CHECKS: Mapping[RepoType | None, Callable[[Mapping[str, object]], Iterator[Finding]]] = {
    RepoType.MODEL: _model,
    RepoType.DATASET: _dataset,
    RepoType.SPACE: _space,
}
