"""What we say of repositories is what the libraries that read them say: transformers, datasets, huggingface_hub.

No server is needed: the libraries are asked for their own tables and rules.
"""

from __future__ import annotations

import json
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest

from openhood.base.names import RepoType
from openhood.domain.repos.describe import clues_of, describe
from openhood.domain.repos.describing.autoclasses import head_of, processor_of
from openhood.testing.venvs import client_python

pytestmark = pytest.mark.clients


def ask(client: str, script: str, question: object = None) -> Any:
    """Run a script in a client's environment; it gets ``question`` and prints its answer as its last line."""
    code = "import json, sys\nquestion = json.loads(sys.argv[1])\n" + textwrap.dedent(script)
    done = subprocess.run(
        [str(client_python(client)), "-c", code, json.dumps(question)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# The order and the words of transformers' `utils/update_metadata.py`, from which the Hub learns them; what reads
# images and text is taken for that although it may read more, as the Hub's tags show.
MAPPINGS = {
    "MODEL_FOR_PRETRAINING": ("pretraining", "AutoModelForPreTraining"),
    "MODEL": ("feature-extraction", "AutoModel"),
    "MODEL_FOR_IMAGE": ("image-feature-extraction", "AutoModel"),
    "MODEL_FOR_AUDIO_CLASSIFICATION": ("audio-classification", "AutoModelForAudioClassification"),
    "MODEL_FOR_CAUSAL_LM": ("text-generation", "AutoModelForCausalLM"),
    "MODEL_FOR_CTC": ("automatic-speech-recognition", "AutoModelForCTC"),
    "MODEL_FOR_IMAGE_CLASSIFICATION": ("image-classification", "AutoModelForImageClassification"),
    "MODEL_FOR_IMAGE_SEGMENTATION": ("image-segmentation", "AutoModelForImageSegmentation"),
    "MODEL_FOR_MULTIMODAL_LM": ("any-to-any", "AutoModelForMultimodalLM"),
    "MODEL_FOR_IMAGE_TEXT_TO_TEXT": ("image-text-to-text", "AutoModelForImageTextToText"),
    "MODEL_FOR_IMAGE_TO_IMAGE": ("image-to-image", "AutoModelForImageToImage"),
    "MODEL_FOR_MASKED_LM": ("fill-mask", "AutoModelForMaskedLM"),
    "MODEL_FOR_OBJECT_DETECTION": ("object-detection", "AutoModelForObjectDetection"),
    "MODEL_FOR_ZERO_SHOT_OBJECT_DETECTION": ("zero-shot-object-detection", "AutoModelForZeroShotObjectDetection"),
    "MODEL_FOR_QUESTION_ANSWERING": ("question-answering", "AutoModelForQuestionAnswering"),
    "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM": ("text2text-generation", "AutoModelForSeq2SeqLM"),
    "MODEL_FOR_SEQUENCE_CLASSIFICATION": ("text-classification", "AutoModelForSequenceClassification"),
    "MODEL_FOR_SPEECH_SEQ_2_SEQ": ("automatic-speech-recognition", "AutoModelForSpeechSeq2Seq"),
    "MODEL_FOR_TABLE_QUESTION_ANSWERING": ("table-question-answering", "AutoModelForTableQuestionAnswering"),
    "MODEL_FOR_TOKEN_CLASSIFICATION": ("token-classification", "AutoModelForTokenClassification"),
    "MODEL_FOR_MULTIPLE_CHOICE": ("multiple-choice", "AutoModelForMultipleChoice"),
    "MODEL_FOR_NEXT_SENTENCE_PREDICTION": ("next-sentence-prediction", "AutoModelForNextSentencePrediction"),
    "MODEL_FOR_AUDIO_FRAME_CLASSIFICATION": ("audio-frame-classification", "AutoModelForAudioFrameClassification"),
    "MODEL_FOR_AUDIO_XVECTOR": ("audio-xvector", "AutoModelForAudioXVector"),
    "MODEL_FOR_DOCUMENT_QUESTION_ANSWERING": ("document-question-answering", "AutoModelForDocumentQuestionAnswering"),
    "MODEL_FOR_VISUAL_QUESTION_ANSWERING": ("visual-question-answering", "AutoModelForVisualQuestionAnswering"),
    "MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION": (
        "zero-shot-image-classification", "AutoModelForZeroShotImageClassification",
    ),
    "MODEL_FOR_DEPTH_ESTIMATION": ("depth-estimation", "AutoModelForDepthEstimation"),
    "MODEL_FOR_VIDEO_CLASSIFICATION": ("video-classification", "AutoModelForVideoClassification"),
    "MODEL_FOR_MASK_GENERATION": ("mask-generation", "AutoModelForMaskGeneration"),
    "MODEL_FOR_TEXT_TO_SPECTROGRAM": ("text-to-audio", "AutoModelForTextToSpectrogram"),
    "MODEL_FOR_TEXT_TO_WAVEFORM": ("text-to-audio", "AutoModelForTextToWaveform"),
    "MODEL_FOR_KEYPOINT_MATCHING": ("keypoint-matching", "AutoModelForKeypointMatching"),
}  # fmt: skip


def test_classes_of_transformers() -> None:
    answer = ask(
        "tf",
        """
        from importlib import import_module
        # Through the package these modules would ask for libraries that nothing here needs.
        names = ("configuration", "feature_extraction", "image_processing", "modeling", "processing", "tokenization")
        modules = {name: import_module(f"transformers.models.auto.{name}_auto") for name in names}
        classes = {}
        for name in question:
            mapping = getattr(modules["modeling"], name + "_MAPPING_NAMES")
            classes[name] = [
                one for value in mapping.values() for one in ([value] if isinstance(value, str) else value)
            ]
        order = [
            ("AutoProcessor", modules["processing"].PROCESSOR_MAPPING_NAMES),
            ("AutoTokenizer", modules["tokenization"].TOKENIZER_MAPPING_NAMES),
            ("AutoImageProcessor", modules["image_processing"].IMAGE_PROCESSOR_MAPPING_NAMES),
            ("AutoFeatureExtractor", modules["feature_extraction"].FEATURE_EXTRACTOR_MAPPING_NAMES),
        ]
        processors = {
            kind: next((auto for auto, known in order if kind in known), "AutoTokenizer")
            for kind in modules["configuration"].CONFIG_MAPPING_NAMES
        }
        print(json.dumps([classes, processors]))
        """,
        list(MAPPINGS),
    )
    classes, processors = answer
    expected = {name: MAPPINGS[mapping] for mapping in MAPPINGS for name in classes[mapping]}
    assert len(expected) > 1000
    found = {name: (head.task, head.auto_model) for name in expected if (head := head_of(name))}
    assert found == expected
    assert {kind: processor_of(kind) for kind in processors} == processors


LAYOUTS: list[list[str]] = [
    ["data.csv"],
    ["train.csv", "test.csv", "validation.csv"],
    ["my_train_file.csv", "dev1.csv", "testfile.csv", "x.json"],
    ["data/train/a.csv", "data/train/b.csv", "data/eval/c.csv"],
    [
        "data/train-00000-of-00002.parquet",
        "data/train-00001-of-00002.parquet",
        "data/rare-00000-of-00001.parquet",
    ],
    ["a.jsonl", ".hidden/b.jsonl", "__pycache__/c.jsonl", "README.md", "dataset_infos.json"],
    ["imgs/train/cat/1.png", "imgs/train/dog/2.PNG", "imgs/test/cat/3.png", "train/metadata.csv"],
    ["my_train/a.csv", "training-1/b.csv", "val/c.csv"],
    ["en/train.jsonl", "fr/train.jsonl", "en/test.jsonl"],
    ["a.parquet", "b.csv"],
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout[0])
def test_splits_by_names(layout: list[str], tmp_path: Path) -> None:
    for name in layout:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    expected = ask(
        "ds",
        """
        from pathlib import Path
        from datasets.data_files import DataFilesDict, get_data_patterns
        from datasets.load import infer_module_for_data_files
        from datasets.packaged_modules import _MODULE_TO_EXTENSIONS
        base = question
        patterns = get_data_patterns(base)
        data = DataFilesDict.from_patterns(patterns, base_path=base)
        module, _ = infer_module_for_data_files(data)
        data = data.filter(extensions=_MODULE_TO_EXTENSIONS[module])
        found = {
            str(split): sorted(Path(file).relative_to(base).as_posix() for file in files)
            for split, files in data.items() if files
        }
        print(json.dumps([module, found]))
        """,
        str(tmp_path),
    )
    found = describe(clues_of(dict.fromkeys(layout, b"")), RepoType.DATASET)
    configs = found.extras["configs"]
    assert isinstance(configs, list)
    splits = {split["name"]: sorted(split["files"]) for split in configs[0]["splits"]}
    assert [splits] == [expected[1]]
    assert f"format:{expected[0]}" in found.tags


PATTERNS = [
    "a/*.csv",
    "**/*.csv",
    "**",
    "a/**",
    "a/[0-1].csv",
    "a/?.csv",
    "*.csv",
    "a/*/*",
    ".h/*",
    "a/b/3*",
    "**/b/**",
]


def test_patterns(tmp_path: Path) -> None:
    names = [
        "a/1.csv",
        "a/2.csv",
        "a/b/3.csv",
        "a/b/n.json",
        "top.csv",
        ".h/x.csv",
        "__p/q.csv",
        "c/b/d/e.csv",
    ]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    expected = ask(
        "ds",
        """
        from pathlib import Path
        from datasets.data_files import resolve_pattern
        base, patterns = question
        answers = []
        for pattern in patterns:
            found = resolve_pattern(pattern, base)
            answers.append(sorted(Path(file).relative_to(base).as_posix() for file in found))
        print(json.dumps(answers))
        """,
        [str(tmp_path), PATTERNS],
    )
    stated = [{"config_name": f"c{n:02}", "data_files": pattern} for n, pattern in enumerate(PATTERNS)]
    readme = f"---\nconfigs: {json.dumps(stated)}\n---\n".encode()
    found = describe(clues_of({"README.md": readme, **dict.fromkeys(names, b"")}), RepoType.DATASET)
    configs = found.extras["configs"]
    assert isinstance(configs, list)
    ours = {pattern: config["splits"][0]["files"] for pattern, config in zip(PATTERNS, configs, strict=True)}
    assert ours == dict(zip(PATTERNS, expected, strict=True))


def test_results_as_huggingface_hub_parses_them() -> None:
    files = {
        "README.md": b"---\nlibrary_name: transformers\n---\n",
        "config.json": b'{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}',
        ".eval_results/a.yaml": b"- dataset: {id: cais/hle, task_id: default}\n  value: 20.5\n"
        b"  date: 2025-01-15\n  source: {url: 'https://example.org', name: Traces}\n  notes: no-tools\n",
        ".eval_results/b.yaml": b"- dataset: nonsense",
    }
    extras = describe(clues_of(files), RepoType.MODEL).extras
    answer = ask(
        "hub-2.4",
        """
        from dataclasses import asdict
        from huggingface_hub import ModelInfo
        info = ModelInfo(id="a/b", **question)
        print(json.dumps([[asdict(one) for one in info.eval_results], asdict(info.transformers_info)]))
        """,
        {"evalResults": extras["evalResults"], "transformersInfo": extras["transformersInfo"]},
    )
    (result,), info = answer
    assert {key: value for key, value in result.items() if value is not None} == {
        "dataset_id": "cais/hle", "task_id": "default", "value": 20.5, "date": "2025-01-15",
        "source_url": "https://example.org", "source_name": "Traces", "notes": "no-tools",
    }  # fmt: skip
    assert info["auto_model"] == "AutoModelForCausalLM"
