"""What files show of themselves: imports of pickles, cells of notebooks, heads of tables, painted lines."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections import OrderedDict

import pytest

from openhood.engines.formats import notebooks, pickles, sheets
from openhood.engines.painting import language_of, paint_lines


def scan(data: bytes) -> dict[str, str]:
    """The verdicts by name."""
    found = pickles.scan(lambda start, length: data[start : start + length], size_bytes=len(data))
    return {f"{each.module}.{each.name}": each.verdict for each in found.imports}


class Calls:
    """A pickle that calls something."""

    def __init__(self, function: object, *arguments: object) -> None:
        self._made = function, arguments

    def __reduce__(self) -> object:
        return self._made


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_imports_are_found_in_every_protocol(protocol: int) -> None:
    found = scan(pickle.dumps([OrderedDict(a=1), Calls(eval, "1"), OrderedDict(b=2)], protocol))
    assert found["collections.OrderedDict"] == "harmless"
    module = "__builtin__" if protocol < 3 else "builtins"
    assert found[f"{module}.eval"] == "dangerous"


def test_names_that_come_from_the_memo_are_followed() -> None:
    # Pushes both names, keeps them, drops them and fetches them again before the import.
    data = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93."
    assert scan(data) == {"os.system": "dangerous"}


def test_names_that_cannot_be_followed_are_told() -> None:
    assert scan(b"\x80\x04)\x8c\x06system\x93.")["unknown.unknown"] == "unknown"


@pytest.mark.parametrize(
    ("module", "name", "verdict"),
    [
        ("builtins", "getattr", "dangerous"),
        ("builtins", "dict", "harmless"),
        ("os", "system", "dangerous"),
        ("posix", "system", "dangerous"),
        ("torch.hub", "load", "dangerous"),
        ("torch._utils", "_rebuild_tensor_v2", "harmless"),
        ("torch", "os.system", "dangerous"),
        ("numpy", "sys.modules", "dangerous"),
        ("my_package.layers", "Layer", "unknown"),
    ],
)
def test_verdicts(module: str, name: str, verdict: str) -> None:
    assert pickles.judge(module, name) == verdict


def test_several_pickles_in_one_file_are_all_read() -> None:
    assert "posix.system" in scan(pickle.dumps(1) + pickle.dumps(2) + b"\x80\x02cposix\nsystem\n.")


def test_archives_hide_nothing() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("deep/inside/data.pkl", b"\x80\x02cposix\nsystem\n.")
    assert scan(buffer.getvalue()) == {"posix.system": "dangerous"}


@pytest.mark.parametrize("data", [b"", b"GGUF", b"PK\x03\x04broken", b"\x00" * 64])
def test_what_is_no_pickle_is_refused(data: bytes) -> None:
    with pytest.raises(pickles.BadPickle):
        scan(data)


def test_what_is_cut_or_odd_is_partial_not_wrong() -> None:
    data = pickle.dumps(OrderedDict(a=1), 2)[:-4]
    found = pickles.scan(lambda start, length: data[start : start + length], size_bytes=len(data))
    assert found.is_partial
    assert found.imports


def test_notebooks_of_format_3_and_odd_ones() -> None:
    old = {
        "worksheets": [
            {"cells": [{"cell_type": "code", "input": "x", "outputs": [{"png": "!", "text": "t"}]}]}
        ]
    }
    cell = notebooks.read_notebook(json.dumps(old).encode()).cells[0]
    assert cell.source == "x"
    assert [each.text for each in cell.outputs] == ["t"]
    odd = {"cells": [1, {"cell_type": 5, "source": {"a": 1}, "execution_count": -1}], "metadata": 3}
    shown = notebooks.read_notebook(json.dumps(odd).encode())
    assert [(each.kind, each.source, each.number) for each in shown.cells] == [("raw", "", None)]
    for bad in (b"[]", b"{}", b"{", b'{"cells": 3}'):
        with pytest.raises(notebooks.BadNotebook):
            notebooks.read_notebook(bad)


def test_heads_of_tables() -> None:
    sheet = sheets.read_head(b"a;b\n1;2\n3\n", is_whole=True, path="x.csv")
    assert sheet is not None
    assert sheet.columns == ("a", "b")
    assert sheet.rows == (("1", "2"), ("3", ""))
    assert not sheet.is_cut
    cut = sheets.read_head(b"a\tb\n1\t2\n3\t", is_whole=False, path="x.tsv")
    assert cut is not None
    assert cut.rows == (("1", "2"),)
    assert cut.is_cut
    assert sheets.read_head(b"", is_whole=True, path="x.csv") is None


def test_lines_are_painted_one_by_one_and_escaped() -> None:
    lines = paint_lines('\n"""a\n<b>"""\n\n', language_of("x/y.PY"))
    assert len(lines) == 4
    assert lines[0] == ""
    assert lines[2] == '<span class="sd">&lt;b&gt;"""</span>'
    assert paint_lines("<\r\n>", None) == ["&lt;", "&gt;"]
    assert paint_lines("x" * 10_000, "python") == ["x" * 10_000]
    assert language_of("LICENSE") is None
