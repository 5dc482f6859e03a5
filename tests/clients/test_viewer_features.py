"""Every feature type of ``datasets``: a table that it wrote has the same features and values in ``/rows``."""

from __future__ import annotations

import pytest

from clients.conftest import ClientMaker
from clients.drivers import Client, Hub

pytestmark = pytest.mark.clients


@pytest.fixture
def analyst(make_client: ClientMaker) -> Client:
    """Alice with ``datasets``."""
    return make_client("ds", "alice")


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_every_feature_round_trips(analyst: Client, hub: Hub, kind: str) -> None:
    """Of a Parquet file as it lies there, and of an Arrow file, whose head is read first and which is converted then."""

    def story(repo: str, home: str, url: str, token: str, kind: str) -> dict:
        import base64
        import datetime
        import decimal
        import io
        import json
        import urllib.parse
        import urllib.request

        import numpy
        import PIL.Image
        import pyarrow
        import pyarrow.parquet
        from datasets import (
            Array2D,
            Array3D,
            Array4D,
            Array5D,
            Audio,
            ClassLabel,
            Dataset,
            Features,
            Image,
            Json,
            LargeList,
            List,
            Pdf,
            Sequence,
            Translation,
            TranslationVariableLanguages,
            Value,
            Video,
        )
        from huggingface_hub import HfApi

        out = io.BytesIO()
        PIL.Image.new("RGB", (30, 20), (9, 9, 9)).save(out, "PNG")
        blob = {"bytes": out.getvalue(), "path": "x.png"}
        moment = datetime.datetime(2024, 5, 6, 7, 8, 9, 123000)
        zoned = moment.replace(tzinfo=datetime.UTC)
        # Feature, a value, and what JSON has of it (...: the same).
        cases = {
            "null": (Value("null"), None, None),
            "bool": (Value("bool"), True, ...),
            **{f"{sign}int{bits}": (Value(f"{sign}int{bits}"), 100, ...) for sign in ("", "u") for bits in (8, 16, 32, 64)},
            **{f"float{bits}": (Value(f"float{bits}"), 1.5, ...) for bits in (16, 32, 64)},
            "nan": (Value("float64"), float("nan"), None),
            "time32": (Value("time32[ms]"), datetime.time(1, 2, 3, 4000), "01:02:03.004000"),
            "time32_s": (Value("time32[s]"), datetime.time(1, 2, 3), "01:02:03"),
            "time64_ns": (Value("time64[ns]"), datetime.time(1, 2, 3, 4), "01:02:03.000004"),
            "time64": (Value("time64[us]"), datetime.time(1, 2, 3, 4), "01:02:03.000004"),
            "stamp_s": (Value("timestamp[s]"), moment.replace(microsecond=0), "2024-05-06T07:08:09"),
            "stamp_ms": (Value("timestamp[ms]"), moment, "2024-05-06T07:08:09.123000"),
            "stamp_us": (Value("timestamp[us]"), moment, "2024-05-06T07:08:09.123000"),
            "stamp_ns": (Value("timestamp[ns]"), moment, "2024-05-06T07:08:09.123000"),
            "utc": (Value("timestamp[us, tz=UTC]"), zoned, "2024-05-06T07:08:09.123000Z"),
            "zone": (Value("timestamp[us, tz=America/New_York]"), zoned, "2024-05-06T03:08:09.123000-04:00"),
            "date32": (Value("date32"), moment.date(), "2024-05-06"),
            "date64": (Value("date64"), moment.date(), "2024-05-06"),
            "duration": (Value("duration[us]"), datetime.timedelta(days=1, seconds=2), "1 day, 0:00:02"),
            "duration_s": (Value("duration[s]"), datetime.timedelta(seconds=90), "0:01:30"),
            "duration_ns": (Value("duration[ns]"), datetime.timedelta(hours=-1), "-1 days +23:00:00"),
            "utc_ns": (Value("timestamp[ns, tz=UTC]"), zoned, "2024-05-06T07:08:09.123000Z"),
            "decimal128": (Value("decimal128(10, 2)"), decimal.Decimal("1.25"), "1.25"),
            "decimal256": (Value("decimal256(50, 2)"), decimal.Decimal("9" * 40 + ".25"), "9" * 40 + ".25"),
            "binary": (Value("binary"), b"\xff\x00", base64.b64encode(b"\xff\x00").decode()),
            "large_binary": (Value("large_binary"), b"abc", "YWJj"),
            "string": (Value("string"), "é", ...),
            "large_string": (Value("large_string"), "x", ...),
            "label": (ClassLabel(names=["no", "yes"]), 1, ...),
            "list": (List(Value("int32")), [1, 2], ...),
            "old_list": ([Value("string")], ["a"], ...),
            "fixed": (List(Value("int8"), length=2), [1, 2], ...),
            "large_list": (LargeList(Value("string")), ["a", None], ...),
            "lists": (List(List(Value("float32"))), [[0.5], []], ...),
            "struct": ({"a": Value("int8"), "b": {"c": List(Value("string"))}}, {"a": 1, "b": {"c": ["x"]}}, ...),
            "structs": (List({"a": Value("int8")}), [{"a": 1}], ...),
            "sequence": (Sequence({"a": Value("int8")}), {"a": [1, 2]}, ...),
            "array2": (Array2D(shape=(2, 3), dtype="int32"), numpy.arange(6).reshape(2, 3).tolist(), ...),
            "array3": (Array3D(shape=(1, 2, 3), dtype="float32"), numpy.ones((1, 2, 3)).tolist(), ...),
            "array4": (Array4D(shape=(1, 1, 2, 3), dtype="uint8"), numpy.ones((1, 1, 2, 3), int).tolist(), ...),
            "array5": (Array5D(shape=(1, 1, 1, 2, 3), dtype="int64"), numpy.ones((1, 1, 1, 2, 3), int).tolist(), ...),
            "large_structs": (LargeList({"a": Value("int8")}), [{"a": 1}, None], ...),
            "deep": ([[{"a": [{"b": Value("string")}]}]], [[{"a": [{"b": "x"}, {"b": None}]}], []], ...),
            "labels": (List(ClassLabel(names=["no", "yes"])), [1, 0], ...),
            "ragged": (Array2D(shape=(None, 2), dtype="int32"), [[1, 2], [3, 4]], ...),
            "translation": (Translation(languages=["en", "fr"]), {"en": "cat", "fr": "chat"}, ...),
            "translations": (TranslationVariableLanguages(languages=["en", "fr"]), {"en": "cat", "fr": ["chat", "chatte"]},
                             {"language": ["en", "fr", "fr"], "translation": ["cat", "chat", "chatte"]}),
            "json": (Json(), {"a": [1, "x", None]}, ...),
            "jsons": (List(Json()), [{"a": 1}, [2]], ...),
            "image": (Image(), blob, "media"),
            "images": (List(Image()), [blob, blob], "media"),
            "said": ({"who": Value("string"), "shown": Image()}, {"who": "x", "shown": blob}, "media"),
            "audio": (Audio(sampling_rate=16000), {"bytes": b"RIFF\0\0\0\0WAVEfmt ", "path": "x.wav"}, "media"),
            "video": (Video(), {"bytes": b"\0\0\0\x18ftypisom", "path": "x.mp4"}, "media"),
            "pdf": (Pdf(), {"bytes": b"%PDF-1.4", "path": "x.pdf"}, "media"),
        }  # fmt: skip
        features = Features({name: case[0] for name, case in cases.items()})
        rows = {name: [case[1], None] for name, case in cases.items()}
        # Sounds are encoded with libraries that are not here, so they come as they are kept.
        plain = {**features, "audio": {"bytes": Value("binary"), "path": Value("string")}}
        made = Dataset.from_dict(rows, features=Features(plain)).cast_column("audio", features["audio"])
        path = f"{home}/train.{kind}"
        if kind == "parquet":
            made.to_parquet(path, batch_size=100)
            # What the library itself says of the file: Parquet has no seconds, and one kind of date only.
            known = Features.from_arrow_schema(pyarrow.parquet.read_schema(path))
        else:
            table = made.data.table.replace_schema_metadata(made.features.arrow_schema.metadata)
            with pyarrow.OSFile(path, "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as writer:
                writer.write_table(table)
            known = Features.from_arrow_schema(table.schema)
        api = HfApi()
        api.create_repo(repo, repo_type="dataset", private=True)
        api.upload_file(
            path_or_fileobj=path,
            path_in_repo=f"train.{kind}",
            repo_id=repo,
            repo_type="dataset",
        )

        def get(link: str, **headers: str) -> tuple[bytes, str]:
            with urllib.request.urlopen(urllib.request.Request(link, headers=headers)) as answer:
                return answer.read(), answer.headers["content-type"]

        said = json.loads(json.dumps(known.to_dict()))
        wrong = {}
        for endpoint in ("first-rows", "rows"):
            link = f"{url}/api/datasets/{repo}/viewer/{endpoint}?config=default&split=train"
            answer = json.loads(get(link, Authorization=f"Bearer {token}")[0])
            seen = {each["name"]: each["type"] for each in answer["features"]}
            wrong |= {
                f"{endpoint} {name}": [seen.get(name), said[name]]
                for name in said
                if seen.get(name) != said[name]
            }
            first, second = (each["row"] for each in answer["rows"])
            for name, (_feature, value, expected) in cases.items():
                wished = value if expected is ... else expected
                if expected != "media" and first[name] != wished:
                    wrong[f"{endpoint} {name} value"] = [first[name], wished]
                if second[name] is not None:
                    wrong[f"{endpoint} {name} null"] = second[name]
        image = first["image"]
        pictures = [
            image.pop("src"),
            first["said"]["shown"]["src"],
            *(each["src"] for each in first["images"]),
        ]
        return {
            "wrong": wrong,
            "image": image,
            "fetched": [get(link)[0] == out.getvalue() for link in pictures],
            "audio": get(first["audio"][0]["src"])[1],
            "pdf": first["pdf"]["size_bytes"],
            "video": get(first["video"]["src"])[0].hex(),
        }

    more = {"home": str(analyst.home), "url": hub.url, "token": hub.tokens["alice"], "kind": kind}
    seen = analyst.call(story, repo=hub.new_id(), **more)
    assert seen["wrong"] == {}
    assert seen["image"] == {"height": 20, "width": 30}
    assert seen["fetched"] == [True, True, True, True]
    assert seen["audio"] == "audio/wav"
    assert seen["pdf"] == 8
    assert seen["video"] == (b"\0\0\0\x18ftypisom").hex()
