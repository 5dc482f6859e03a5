"""What the Hub expects of a card's metadata: the words it knows, and what is wrong or missing.

Errors are what a commit would be refused for, warnings are advice. Reading YAML is `card`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from openhood.base.errors import InvalidCard
from openhood.base.names import RepoType
from openhood.engines.formats.card import parse_card

_LICENSES = (
    "apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 "
    "bigcode-openrail-m afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear "
    "c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 "
    "cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 "
    "cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 "
    "epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 "
    "isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl openmdw-1.0 "
    "openmdw-1.1 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license "
    "fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 grok2-community "
    "gemma unknown other"
)
LICENSES = frozenset(_LICENSES.split())
"""License identifiers the Hub knows (hub-docs ``repositories-licenses.md``)."""

_PIPELINE_TAGS = (
    "any-to-any audio-classification audio-text-to-text audio-to-audio automatic-speech-recognition "
    "depth-estimation document-question-answering visual-document-retrieval feature-extraction fill-mask "
    "graph-ml image-classification image-feature-extraction image-segmentation image-text-to-image "
    "image-text-to-text image-text-to-video image-to-3d image-to-image image-to-text image-to-video "
    "keypoint-detection mask-generation multiple-choice object-detection question-answering "
    "reinforcement-learning robotics sentence-similarity summarization table-question-answering "
    "table-to-text tabular-classification tabular-regression tabular-to-text text-classification "
    "text-generation text-ranking text-retrieval text-to-3d text-to-audio text-to-image text-to-speech "
    "text-to-video time-series-forecasting token-classification translation unconditional-image-generation "
    "video-classification video-text-to-text video-to-video visual-question-answering voice-activity-detection "
    "zero-shot-classification zero-shot-image-classification zero-shot-object-detection "
    "text2text-generation conversational other"
)
PIPELINE_TAGS = frozenset(_PIPELINE_TAGS.split())
"""Tasks a model may name as its pipeline (huggingface.js ``tasks/src/pipelines.ts``)."""

SPACE_SDKS = ("gradio", "streamlit", "docker", "static")
SPACE_COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")

_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][a-z0-9]{2,8})*|code|multilingual")
_REPO_ID = re.compile(r"[\w.-]{1,96}(?:/[\w.-]{1,96})?")
_MAX_SHORT_DESCRIPTION = 60


@dataclass(frozen=True, slots=True)
class CardReport:
    """The outcome of `validate_card`, sentences for people."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]


def validate_card(text: str, repo_type: RepoType | None) -> CardReport:
    """Check a card's text; ``repo_type`` None checks only what holds for every type. Pure.

    **Source**: ``POST /api/validate-yaml`` as huggingface_hub uses it (``repocard.py::validate``,
    ``_commit_api.py``), and its test that an unknown license is an error naming the known ones.
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
    errors: list[str] = []
    warnings: list[str] = []
    for check in (_common, _CHECKS.get(repo_type, _nothing)):
        for is_error, sentence in check(card):
            (errors if is_error else warnings).append(sentence)
    return CardReport(tuple(errors), tuple(warnings))


_Finding = tuple[bool, str]


def _missing_space_fields(repo_type: RepoType | None) -> tuple[str, ...]:
    return ('"sdk" is required',) if repo_type is RepoType.SPACE else ()


def _nothing(_card: Mapping[str, object]) -> Iterator[_Finding]:
    return iter(())


def _common(card: Mapping[str, object]) -> Iterator[_Finding]:
    yield from _license(card)
    for name in ("tags", "language", "datasets", "metrics"):
        value = card.get(name)
        if value is not None and not _is_text_or_texts(value):
            yield True, f'"{name}" must be a string or a list of strings'
    for language in texts(card.get("language")):
        if language != language.lower():
            yield True, f'"language" must only contain lowercase characters, got "{_shown(language)}"'
        elif not _LANGUAGE.fullmatch(language):
            yield (
                False,
                f'"language" must be an ISO 639-1, 639-2 or 639-3 code, or "code" or "multilingual"; '
                f'got "{_shown(language)}"',
            )
    if card.get("thumbnail") is not None and not isinstance(card["thumbnail"], str):
        yield True, '"thumbnail" must be a string'


def _license(card: Mapping[str, object]) -> Iterator[_Finding]:
    if "license" not in card:
        return
    value = card["license"]
    if not _is_text_or_texts(value):
        yield True, '"license" must be a string or a list of strings'
    elif any(name.lower() not in LICENSES for name in texts(value)):
        yield True, f'"license" must be one of [{", ".join(sorted(LICENSES))}]'
    elif "other" in texts(value) and not card.get("license_name"):
        yield False, '"license_name" and "license_link" should be given when "license" is "other"'


def _model(card: Mapping[str, object]) -> Iterator[_Finding]:
    if "license" not in card:
        yield False, '"license" is missing: people cannot know whether they may use this model'
    for name in ("pipeline_tag", "library_name"):
        if card.get(name) is not None and not isinstance(card[name], str):
            yield True, f'"{name}" must be a string'
    pipeline = card.get("pipeline_tag")
    if isinstance(pipeline, str) and pipeline not in PIPELINE_TAGS:
        yield False, f'"pipeline_tag" "{_shown(pipeline)}" is not in the list of known tasks'
    base = card.get("base_model")
    if base is not None and not _is_text_or_texts(base):
        yield True, '"base_model" must be a string or a list of strings'
    for name in texts(base):
        if not _REPO_ID.fullmatch(name):
            yield (
                True,
                f'"base_model" with value "{_shown(name)}" is not valid. Use a model id from this hub.',
            )
    yield from _model_index(card.get("model-index"))


def _model_index(index: object) -> Iterator[_Finding]:
    if index is None:
        return
    if not isinstance(index, list):
        yield True, '"model-index" must be an array'
        return
    for number, entry in enumerate(index):
        if not isinstance(entry, dict):
            yield True, f'"model-index[{number}]" must be of type object'
            continue
        if not isinstance(entry.get("name"), str) or not entry["name"]:
            yield True, f'"model-index[{number}].name" is required'
        if not isinstance(entry.get("results"), list):
            yield True, f'"model-index[{number}].results" must be an array'


def _dataset(card: Mapping[str, object]) -> Iterator[_Finding]:
    if "license" not in card:
        yield False, '"license" is missing: people cannot know whether they may use this dataset'
    for name in ("task_categories", "task_ids", "size_categories", "annotations_creators", "source_datasets"):
        value = card.get(name)
        if value is not None and not _is_text_or_texts(value):
            yield True, f'"{name}" must be a string or a list of strings'
    for task in texts(card.get("task_categories")):
        if task not in PIPELINE_TAGS:
            yield False, f'The task_categories "{_shown(task)}" is not in the list of known tasks'
    configs = card.get("configs")
    if configs is None:
        return
    if not isinstance(configs, list):
        yield True, '"configs" must be an array'
        return
    for number, config in enumerate(configs):
        if not isinstance(config, dict) or not isinstance(config.get("config_name"), str | int):
            yield True, f'"configs[{number}].config_name" is required'


def _space(card: Mapping[str, object]) -> Iterator[_Finding]:
    sdk = card.get("sdk")
    if sdk is None:
        yield True, '"sdk" is required'
    elif sdk not in SPACE_SDKS:
        yield True, f'"sdk" must be one of [{", ".join(SPACE_SDKS)}]'
    for name in ("colorFrom", "colorTo"):
        if card.get(name) is not None and card[name] not in SPACE_COLORS:
            yield True, f'"{name}" must be one of [{", ".join(SPACE_COLORS)}]'
    description = card.get("short_description")
    if description is not None and (
        not isinstance(description, str) or len(description) > _MAX_SHORT_DESCRIPTION
    ):
        yield (
            True,
            f'"short_description" length must be less than or equal to {_MAX_SHORT_DESCRIPTION} characters long',
        )
    if card.get("app_port") is not None and not isinstance(card["app_port"], int):
        yield True, '"app_port" must be a number'


_CHECKS: Mapping[RepoType | None, Callable[[Mapping[str, object]], Iterator[_Finding]]] = {
    RepoType.MODEL: _model,
    RepoType.DATASET: _dataset,
    RepoType.SPACE: _space,
}


def texts(value: object) -> list[str]:
    """Return a value given as one text or as a list of texts, as a list of texts; other things are left out."""
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _is_text_or_texts(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(item, str) for item in value)
    )


def _shown(text: str) -> str:
    return text[:80]
