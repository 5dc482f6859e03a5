"""Small datasets made on the spot: reports of harbours, a diary of coffee, pictures of birds. Pure."""

from __future__ import annotations

import csv
import io
import json
import struct
import zlib
from collections.abc import Sequence
from datetime import date, timedelta
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_PORTS = ("Bergen", "Trondheim", "Esbjerg", "Brest", "Porto", "Aberdeen", "Tallinn", "Gdańsk")
_SHIPS = ("Havørn", "Sabine", "Nordlys", "Estrela", "Mouette", "Kestrel", "Aurora", "Tern")
_CARGO = ("timber", "grain", "salted cod", "machine parts", "wine", "steel coils", "paper", "fertilizer")
_WEATHER = ("calm", "fog", "fresh breeze", "gale", "rain")
_BEANS = ("Yirgacheffe", "Huila", "Sidamo", "Antigua", "Mandheling")
_WAYS = ("pour-over", "espresso", "aeropress", "moka")
_BIRDS = (("robin", (176, 84, 48)), ("blue_tit", (72, 120, 178)), ("blackbird", (52, 50, 56)))


def harbour_reports(*, rows: int, seed: int) -> bytes:
    """Return a Parquet file of short reports with numbers, labels and dates."""
    chance = Random(seed)  # noqa: S311  # chance, no secret
    table: dict[str, list[object]] = {
        name: []
        for name in ("id", "day", "port", "ship", "cargo", "tonnes", "delay_minutes", "weather", "text")
    }
    for number in range(rows):
        port, ship, cargo = chance.choice(_PORTS), chance.choice(_SHIPS), chance.choice(_CARGO)
        tonnes = round(chance.lognormvariate(5.2, 0.9), 1)
        weather = chance.choice(_WEATHER)
        delay = max(0, round(chance.gauss(60 if weather in ("gale", "fog") else 8, 20)))
        late = f"{delay} minutes late" if delay else "on time"
        values = (
            number,
            date(2025, 1, 1) + timedelta(days=chance.randrange(365)),
            port,
            ship,
            cargo,
            tonnes,
            delay,
            weather,
            f"The {ship} reached {port} {late} with {tonnes} tonnes of {cargo}; the weather was {weather}.",
        )
        for name, value in zip(table, values, strict=True):
            table[name].append(value)
    buffer = io.BytesIO()
    pq.write_table(pa.table(table), buffer, compression="zstd")
    return buffer.getvalue()


def coffee_diary(*, rows: int, seed: int) -> bytes:
    """Return a CSV file: one cup a line."""
    chance = Random(seed)  # noqa: S311  # chance, no secret
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["day", "bean", "method", "grams", "seconds", "score", "note"])
    for number in range(rows):
        grams, seconds = chance.randrange(14, 22), chance.randrange(24, 210)
        score = min(10, max(1, round(chance.gauss(7, 1.6))))
        note = chance.choice(("bright, citrus", "a bit flat", "chocolate, round", "sour, too short", "clean"))
        day = date(2025, 3, 1) + timedelta(days=number // 2)
        writer.writerow(
            [day.isoformat(), chance.choice(_BEANS), chance.choice(_WAYS), grams, seconds, score, note]
        )
    return text.getvalue().encode()


def kana(*, rows: int, seed: int) -> bytes:
    """Return JSON lines: handwriting strokes of a sign."""
    chance = Random(seed)  # noqa: S311  # chance, no secret
    signs = "あいうえおかきくけこさしすせそ"
    lines = [
        json.dumps(
            {
                "sign": chance.choice(signs),
                "writer": f"w{chance.randrange(40):02}",
                "strokes": [[chance.randrange(64), chance.randrange(64)] for _ in range(6)],
            },
            ensure_ascii=False,
        )
        for _ in range(rows)
    ]
    return "\n".join(lines).encode() + b"\n"


def birds(*, of_each: int, seed: int) -> dict[str, bytes]:
    """Return a folder of pictures with a table of what is on them, by path."""
    chance = Random(seed)  # noqa: S311  # chance, no secret
    files: dict[str, bytes] = {}
    lines = ["file_name,label,wing_mm"]
    for label, colour in _BIRDS:
        for number in range(of_each):
            name = f"{label}/{number:03}.png"
            files[f"train/{name}"] = png(_bird(colour, chance))
            lines.append(f"{name},{label},{chance.randrange(60, 130)}")
    files["train/metadata.csv"] = "\n".join(lines).encode() + b"\n"
    return files


Picture = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


def _bird(colour: Sequence[int], chance: Random) -> Picture:
    """Return a picture of 96 by 96: a sky, a branch, and a bird of two circles with a beak."""
    y, x = np.mgrid[0:96, 0:96].astype(np.float32)
    sky = np.stack([190 + y * 0.5, 205 + y * 0.35, 225 - y * 0.1], axis=2)
    picture = sky + chance.uniform(-12, 12)
    cx, cy, size = chance.uniform(38, 58), chance.uniform(46, 58), chance.uniform(17, 24)
    picture[np.abs(y - (cy + size + 2) - (x - 48) * chance.uniform(-0.1, 0.1)) < 2.5] = (92, 70, 50)
    body = (x - cx) ** 2 + ((y - cy) * 1.25) ** 2 < size**2
    head = (x - cx - size * 0.75) ** 2 + (y - cy + size * 0.6) ** 2 < (size * 0.5) ** 2
    beak = (np.abs(y - cy + size * 0.6) < (cx + size * 1.65 - x) * 0.35) & (x > cx + size * 1.15)
    eye = (x - cx - size * 0.9) ** 2 + (y - cy + size * 0.7) ** 2 < 4
    breast = (x - cx - size * 0.3) ** 2 + (y - cy - size * 0.25) ** 2 < (size * 0.5) ** 2
    picture[body | head] = colour
    picture[breast & body] = np.minimum(np.array(colour) + 70, 255)
    picture[beak & (x < cx + size * 1.65)] = (230, 160, 40)
    picture[eye] = (15, 15, 15)
    made: Picture = np.clip(picture, 0, 255).astype(np.uint8)
    return made


def png(picture: Picture) -> bytes:
    """Return a PNG file of a picture: rows of red, green and blue."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = picture.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in picture)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
