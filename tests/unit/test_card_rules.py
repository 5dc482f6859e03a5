"""What is said of a card's metadata: every rule has a card that breaks it and one that keeps it."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from openhood.base.names import RepoType
from openhood.engines.formats.card_rules import CardReport, validate_card

MODEL, DATASET, SPACE = RepoType.MODEL, RepoType.DATASET, RepoType.SPACE


def check(text: str, kind: RepoType | None, *, prefix: str = "license: mit\n") -> CardReport:
    return validate_card(f"---\n{prefix if kind is not SPACE else ''}{text}\n---\n", kind)


GOOD_RESULT = {
    "task": {"type": "text-classification"},
    "dataset": {"type": "imdb", "name": "IMDb"},
    "metrics": [{"type": "accuracy", "value": 0.9}],
    "source": {"name": "Board", "url": "https://hub.example/board"},
}


def index(**changes: object) -> str:
    """A model-index with one result, some of whose parts are others; None takes a part out."""
    result = {key: value for key, value in {**GOOD_RESULT, **changes}.items() if value is not None}
    return yaml.safe_dump({"model-index": [{"name": "m", "results": [result]}]})


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("pipeline_tag: text-generation\nlibrary_name: transformers", MODEL),
        ("library_name: gguf", MODEL),
        ("pipeline_tag: conversational", MODEL),
        ("base_model: [a/b, c/d]\nbase_model_relation: merge\nnew_version: a/c", MODEL),
        ("datasets: [imdb, a/b]\nmetrics: [accuracy]\nwidget: [{text: hi}]", MODEL),
        ("language: [en, fr, lut, code, multilingual, zh-hant, 'no']", MODEL),
        ("co2_eq_emissions: 12.5", MODEL),
        ("co2_eq_emissions: {emissions: 12.5, source: mine}", MODEL),
        ("extra_gated_fields: {Name: text}\nextra_gated_prompt: Please.", MODEL),
        ("extra_gated_fields: [{Name: text}]", DATASET),
        (index(), MODEL),
        (index(source=None), MODEL),
        (index(metrics=[{"type": "wer", "value": 0, "name": "WER", "args": {"n": 4}}]), MODEL),
        ("task_categories: [text-classification]\ntask_ids: [natural-language-inference]", DATASET),
        ("size_categories: n<1K\nmultilinguality: [monolingual]\nsource_datasets: [original]", DATASET),
        ("configs: [{config_name: default, data_files: 'a/*.csv', default: true}]", DATASET),
        ("configs: [{config_name: 2024, data_files: [a.csv, b.csv]}]", DATASET),
        (
            "configs: [{config_name: a, data_files: [{split: train, path: [a, b]}, {split: t_1, path: c}]}]",
            DATASET,
        ),
        (
            "dataset_info: {features: [{name: a, dtype: string}], splits: [{name: train, num_bytes: 1}]}",
            DATASET,
        ),
        ("dataset_info: [{config_name: a, download_size: 5}, {config_name: b}]", DATASET),
        ("viewer: false\npretty_name: Words", DATASET),
        ("sdk: docker\napp_port: 7860\npinned: true\nhf_oauth: true\nhf_oauth_scopes: [email]", SPACE),
        ("sdk: gradio\nsdk_version: 5.0\npython_version: 3.10\nmodels: [a/b]\nheader: mini", SPACE),
        ("sdk: static\ncustom_headers: {cross-origin-embedder-policy: require-corp}\nbase_path: /x", SPACE),
        ("sdk: gradio\nstartup_duration_timeout: 1h\nsuggested_hardware: t4-small", SPACE),
    ],
)
def test_good(text: str, kind: RepoType) -> None:
    assert check(text, kind) == CardReport((), ())


@pytest.mark.parametrize(
    ("text", "kind", "error"),
    [
        ("tags: [a, 1]", MODEL, '"tags[1]" must be a string'),
        ("datasets: [null]", MODEL, '"datasets[0]" must be a string'),
        ("language: [en, FR]", MODEL, '"language[1]" must only contain lowercase'),
        ("metrics: {a: b}", MODEL, '"metrics" must be a string or a list of strings'),
        ("thumbnail: [a]", None, '"thumbnail" must be a string'),
        ("license_name: 5", MODEL, '"license_name" must be a string'),
        ("library_name: [a]", MODEL, '"library_name" must be a string'),
        ("widget: false", MODEL, '"widget" must be an array'),
        ("base_model: /tmp/out", MODEL, '"base_model" with value "/tmp/out" is not valid'),
        ("base_model: [a/b, 5]", MODEL, '"base_model[1]" must be a string'),
        ("extra_gated_fields: Name", MODEL, '"extra_gated_fields" must be of type object'),
        ("model-index: [a]", MODEL, '"model-index[0]" must be of type object'),
        ("model-index: [{name: m}]", MODEL, '"model-index[0].results" must be an array'),
        (
            "model-index: [{name: m, results: [a]}]",
            MODEL,
            '"model-index[0].results[0]" must be of type object',
        ),
        (index(task=None), MODEL, '"model-index[0].results[0].task" is required'),
        (index(task={}), MODEL, '"model-index[0].results[0].task.type" is required'),
        (index(task={"type": 5}), MODEL, '"model-index[0].results[0].task.type" must be a string'),
        (index(dataset={"type": "a"}), MODEL, '"model-index[0].results[0].dataset.name" is required'),
        (index(dataset="imdb"), MODEL, '"model-index[0].results[0].dataset" must be of type object'),
        (index(metrics=None), MODEL, '"model-index[0].results[0].metrics" is required'),
        (index(metrics=[1]), MODEL, '"model-index[0].results[0].metrics[0]" must be of type object'),
        (index(metrics=[{"value": 1}]), MODEL, '"model-index[0].results[0].metrics[0].type" is required'),
        (index(metrics=[{"type": "a"}]), MODEL, '"model-index[0].results[0].metrics[0].value" is required'),
        (index(source={"name": "a"}), MODEL, '"model-index[0].results[0].source.url" is required'),
        (index(source="a"), MODEL, '"model-index[0].results[0].source" must be of type object'),
        ("configs: {}", DATASET, '"configs" must be an array'),
        ("configs: [a]", DATASET, '"configs[0]" must be of type object'),
        (
            "configs: [{config_name: a, data_files: 5}]",
            DATASET,
            '"configs[0].data_files" must be a string or a list',
        ),
        (
            "configs: [{config_name: a, data_files: [{path: x}]}]",
            DATASET,
            '"configs[0].data_files[0]" must be a path',
        ),
        (
            "configs: [{config_name: a, data_files: [{split: a-b, path: x}]}]",
            DATASET,
            '"configs[0].data_files[0].split" must be a name',
        ),
        (
            "configs: [{config_name: a, data_files: [{split: a, path: 5}]}]",
            DATASET,
            '"configs[0].data_files[0].path" must be a string or a list',
        ),
        ("configs: [{config_name: a, default: 'yes'}]", DATASET, '"configs[0].default" must be a boolean'),
        ("dataset_info: a", DATASET, '"dataset_info" must be of type object'),
        ("dataset_info: [a]", DATASET, '"dataset_info[0]" must be of type object'),
        ("dataset_info: [{config_name: a}, {}]", DATASET, '"dataset_info[1].config_name" is required'),
        ("dataset_info: {features: {}}", DATASET, '"dataset_info.features" must be an array'),
        ("dataset_info: {features: [{dtype: a}]}", DATASET, '"dataset_info.features[0].name" is required'),
        ("dataset_info: {splits: [a]}", DATASET, '"dataset_info.splits[0]" must be of type object'),
        (
            "dataset_info: {splits: [{name: a, num_bytes: -1}]}",
            DATASET,
            '"dataset_info.splits[0].num_bytes" must be a number',
        ),
        ("dataset_info: {download_size: many}", DATASET, '"dataset_info.download_size" must be a number'),
        ("task_categories: {a: [b]}", DATASET, '"task_categories" must be a string or a list of strings'),
        ("viewer: maybe", DATASET, '"viewer" must be a boolean'),
        ("pretty_name: 5", DATASET, '"pretty_name" must be a string'),
        ("sdk: docker\napp_port: '80'", SPACE, '"app_port" must be a number'),
        ("sdk: docker\napp_port: 70000", SPACE, '"app_port" must be from 1 to 65535'),
        ("sdk: docker\napp_port: true", SPACE, '"app_port" must be a number'),
        (
            "sdk: docker\nhf_oauth_expiration_minutes: 50000",
            SPACE,
            '"hf_oauth_expiration_minutes" must be from',
        ),
        ("sdk: docker\npinned: maybe", SPACE, '"pinned" must be a boolean'),
        ("sdk: docker\ntitle: [a]", SPACE, '"title" must be a string'),
        ("sdk: docker\nmodels: [1]", SPACE, '"models[0]" must be a string'),
        ("sdk: [docker]", SPACE, '"sdk" must be one of'),
    ],
)
def test_errors(text: str, kind: RepoType | None, error: str) -> None:
    report = check(text, kind)
    assert len(report.errors) == 1, report
    assert report.errors[0].startswith(error)
    assert report.warnings == ()


@pytest.mark.parametrize(
    ("text", "kind", "warning", "end"),
    [
        (
            "pipeline_tag: text_generation",
            MODEL,
            '"pipeline_tag" "text_generation"',
            'did you mean "text-generation"?',
        ),
        ("pipeline_tag: zzzzzz", MODEL, '"pipeline_tag" "zzzzzz"', "known tasks"),
        ("library_name: transformer", MODEL, '"library_name" "transformer"', 'did you mean "transformers"?'),
        ("language: english", MODEL, '"language" must be an ISO', 'did you mean "en"?'),
        ("language: [en, qqq]", MODEL, '"language[1]" must be an ISO', 'got "qqq"'),
        (
            "base_model: a/b\nbase_model_relation: child",
            MODEL,
            '"base_model_relation" must be one of',
            "guessed",
        ),
        ("base_model_relation: merge", MODEL, '"base_model_relation" needs "base_model"', "given"),
        ("new_version: 'a b'", MODEL, '"new_version" with value "a b"', "this hub."),
        ("datasets: ['a b']", MODEL, '"datasets" with value "a b"', "Use a dataset id from this hub."),
        ("co2_eq_emissions: little", MODEL, '"co2_eq_emissions" should be of type object', "object"),
        ("co2_eq_emissions: {emissions: few}", MODEL, '"co2_eq_emissions.emissions"', "grams"),
        ("license_name: mine", MODEL, '"license_name" is for licenses', '"license: other"'),
        (
            "task_categories: [text_generation]",
            DATASET,
            'The task_categories "text_generation"',
            '"text-generation"?',
        ),
        (
            "task_ids: [language-modelling]",
            DATASET,
            'The task_ids "language-modelling"',
            '"language-modeling"?',
        ),
        ("size_categories: [tiny]", DATASET, 'The size_categories "tiny"', "unknown"),
        (
            "configs: [{config_name: a}, {config_name: a}]",
            DATASET,
            '"configs[1].config_name" "a" is taken',
            "read",
        ),
        (
            "configs: [{config_name: 'a/b'}]",
            DATASET,
            '"configs[0].config_name" "a/b" has characters',
            "everywhere",
        ),
        (
            "configs: [{config_name: a, default: true}, {config_name: b, default: true}]",
            DATASET,
            '"configs" has 2 defaults',
            "default",
        ),
        ("sdk: docker\nheader: large", SPACE, '"header" should be one of [mini, default]', ""),
        ("sdk: docker\nsuggested_hardware: huge", SPACE, '"suggested_hardware" should be one of', "]"),
        ("sdk: gradio\napp_port: 80", SPACE, '"app_port" is used only', '"docker"'),
        ("sdk: docker\nbase_path: x", SPACE, '"base_path" should begin', '"/"'),
        ("sdk: docker\nstartup_duration_timeout: soon", SPACE, '"startup_duration_timeout"', '"1h"'),
        ("sdk: docker\ncustom_headers: {x-a: b}", SPACE, '"custom_headers" should be an object', "]"),
        ("sdk: docker\nmodels: ['a b']", SPACE, '"models" with value "a b"', "Use a model id from this hub."),
    ],
)
def test_warnings(text: str, kind: RepoType, warning: str, end: str) -> None:
    report = check(text, kind)
    assert report.errors == ()
    assert len(report.warnings) == 1, report
    assert report.warnings[0].startswith(warning)
    assert report.warnings[0].endswith(end)


@pytest.mark.parametrize(
    ("text", "errors", "warnings"),
    [
        ("license: apache", ['did you mean "apache-2.0"?'], []),
        ("license: [mit, nonsense-zzz]", ['"license" must be one of ['], []),
        ("license: [mit, 5]", ['"license[1]" must be a string'], []),
        ("license: other\nlicense_name: Mine!\nlicense_link: LICENSE", [], ['"license_name" "Mine!"']),
        ("license: other\nlicense_name: mine-1.0", [], ['"license_link" is missing']),
        ("license: other\nlicense_name: mine\nlicense_link: ../x", [], ['"license_link" "../x" should be']),
        ("license: other\nlicense_name: mine\nlicense_link: https://a.example", [], []),
    ],
)
def test_licenses(text: str, errors: list[str], warnings: list[str]) -> None:
    report = check(text, MODEL, prefix="")
    for said, expected in ((report.errors, errors), (report.warnings, warnings)):
        assert len(said) == len(expected), report
        for sentence, part in zip(said, expected, strict=True):
            assert part in sentence


def test_many_findings_are_cut_and_errors_are_not_lost_behind_warnings() -> None:
    words = ", ".join(f"w{number}" for number in range(3000))
    report = check(f"task_categories: [{words}]\nviewer: maybe", DATASET)
    assert report.errors == ('"viewer" must be a boolean',)
    assert len(report.warnings) == 51
    assert report.warnings[-1] == "and 2950 more like these"


def test_hostile_cards_are_checked_in_linear_time() -> None:
    """Each is about as large as a card may be; what is not linear in that would not come back for hours."""
    many = 60_000
    cards = [
        (
            "task_categories: [" + ",".join(f"text-generatio{number}" for number in range(many // 2)) + "]",
            DATASET,
        ),
        ("language: [" + ",".join(f"engl{number}" for number in range(many)) + "]", MODEL),
        ("license: " + "a" * 900_000, MODEL),
        ("pipeline_tag: " + "text-" * 180_000, MODEL),
        ("language: " + "en-" * 300_000, MODEL),
        ("base_model: '" + "a" * 900_000 + "'", MODEL),
        ("tags: [" + "1," * many + "]", MODEL),
        ("model-index: [" + "{}," * (many // 2) + "]", MODEL),
        ("configs: [" + "{config_name: a}," * (many // 4) + "]", DATASET),
        ("sdk: docker\nstartup_duration_timeout: '" + "1" * 900_000 + "'", SPACE),
    ]
    for text, kind in cards:
        report = check(text, kind)
        assert report.errors or report.warnings
        assert all(len(sentence) < 5000 for sentence in (*report.errors, *report.warnings))


_KEYS = (
    "license license_name license_link language tags datasets metrics pipeline_tag library_name base_model "
    "base_model_relation new_version widget co2_eq_emissions model-index task_categories task_ids "
    "size_categories configs dataset_info viewer sdk colorFrom app_port models pinned custom_headers header "
    "hf_oauth_expiration_minutes startup_duration_timeout thumbnail extra_gated_fields"
)
_INNER_KEYS = "name results task dataset metrics type value config_name data_files split path features splits"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 100_000) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_INNER_KEYS.split()), inner, max_size=4)
    ),
    max_leaves=12,
)
CARDS = st.dictionaries(st.sampled_from(_KEYS.split()), VALUES, max_size=8)


@settings(max_examples=300)
@given(card=CARDS, kind=st.sampled_from([MODEL, DATASET, SPACE, None]))
def test_any_card_is_told_of(card: dict[str, object], kind: RepoType | None) -> None:
    """Whatever is under the keys, a report comes out, and only of sentences."""
    report = validate_card("---\n" + json.dumps(card, ensure_ascii=False) + "\n---\n", kind)
    assert all(isinstance(sentence, str) and sentence for sentence in (*report.errors, *report.warnings))
    if kind is None and not card:
        assert report.errors == ()


@given(text=st.text(max_size=400))
def test_any_text_is_told_of(text: str) -> None:
    for kind in (MODEL, DATASET, SPACE, None):
        assert isinstance(validate_card(f"---\n{text}\n---\n", kind), CardReport)
