"""What the paths of a folder dataset say before a byte is read: which files are rows, and the labels of directories.

Nothing is imported here but the standard library: whoever plans a reading asks this too.
**Source**: ``datasets/packaged_modules/folder_based_builder``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")

_IMAGES = (
    "blp bmp dib bufr cur pcx dcx dds ps eps fit fits fli flc ftc ftu gbr gif grib png apng jp2 j2k jpc jpf jpx j2c icns "
    "ico im iim tif tiff jfif jpe jpg jpeg mpg mpeg msp pcd pxr pbm pgm ppm pnm psd bw rgb rgba sgi ras tga icb vda vst "
    "webp wmf emf xbm xpm"
)
_SOUNDS = (
    "aiff au avr caf flac htk svx mat4 mat5 mpc2k ogg paf pvf raw rf64 sd2 sds ircam voc w64 wav nist wavex wve xi mp3 "
    "opus 3gp 3g2 avi asf flv mp4 mov m4v mkv mpg webm f4v wmv wma ogm mxf nut"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A folder format: the name and the feature of its column, and the endings of files that are rows."""

    column: str
    feature: str
    endings: frozenset[str]


KINDS: Mapping[str, Kind] = {
    "imagefolder": Kind("image", "Image", frozenset(_IMAGES.split())),
    "audiofolder": Kind("audio", "Audio", frozenset(_SOUNDS.split())),
    "videofolder": Kind("video", "Video", frozenset(["mkv", "mp4", "avi", "mpeg", "mov"])),
    "pdffolder": Kind("pdf", "Pdf", frozenset(["pdf"])),
    "meshfolder": Kind("mesh", "Mesh", frozenset(["glb", "ply", "stl"])),
    "niftifolder": Kind("nifti", "Nifti", frozenset(["nii"])),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Which of some paths are what."""

    files: tuple[str, ...]
    metadata: tuple[str, ...]
    archives: tuple[str, ...]


def layout_of(kind: Kind, paths: Iterable[str], metadata_names: Iterable[str] = METADATA) -> Layout:
    """Sort paths into rows, metadata files and archives; others are passed over."""
    known = frozenset(metadata_names)
    by_ending: dict[str, tuple[bool, bool]] = {}
    files, metadata, archives = [], [], []
    for path in paths:
        name = path.rpartition("/")[2]
        # Most files have the same after their first dot, so that is looked at once.
        ending = name.partition(".")[2]
        told = by_ending.get(ending)
        if told is None:
            told = by_ending[ending] = _what_is(kind, name)
        is_row, is_archive = told
        if is_row:
            files.append(path)
        elif name in known:
            metadata.append(path)
        elif is_archive:
            archives.append(path)
    return Layout(tuple(files), tuple(metadata), tuple(archives))


def _what_is(kind: Kind, name: str) -> tuple[bool, bool]:
    """Tell of a file's name whether it is a row's, and whether it is an archive's."""
    endings = name.lower().split(".")[1:][-2:]
    return any(ending in kind.endings for ending in endings), endings[-1:] == ["zip"]


@dataclass(slots=True)
class Labels:
    """The directories that files lie in, and how deep: what decides whether rows have labels."""

    names: set[str]
    depths: set[int]

    def add(self, path: str) -> None:
        """Take note of a file."""
        self.names.add(label_of(path))
        self.depths.add(path.count("/"))

    def add_all(self, paths: Iterable[str]) -> None:
        """Take note of files, one of each directory."""
        for path in {path.rpartition("/")[0]: path for path in paths}.values():
            self.add(path)

    def shown(self, *, drop: bool | None) -> list[str] | None:
        """Return the labels in order; None where rows have none. ``drop``: as the card says."""
        is_shown = (len(self.names) > 1 and len(self.depths) == 1) if drop is None else not drop
        return sorted(self.names) if is_shown else None


def label_of(path: str) -> str:
    """Return the name of the directory that a file lies in."""
    return path.rpartition("/")[0].rpartition("/")[2]
