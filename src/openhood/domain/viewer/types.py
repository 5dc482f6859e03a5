"""What a dataset is to the viewer: configs, their splits, and the files that each split is made of.

Words as in the ``datasets`` library. A plan is a function of a commit; nothing in it says who may read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from openhood.base.errors import ConfigNotFound, DataFilesNotFound, SplitNotFound
from openhood.base.names import Oid

FOLDERS = ("imagefolder", "audiofolder", "videofolder", "pdffolder")
"""Formats whose rows are files, with what metadata files say of them."""


_PACKED = (".zip", ".gz", ".bz2", ".xz", ".zst", ".lz4", ".tar", ".tgz")


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of the dataset. ``oid`` is its git blob, ``key`` the hash of its content (that of the LFS object, else
    the oid), ``size_bytes`` that of the content.
    """

    path: str
    oid: Oid
    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file that the hub computed from others, in its cache on this machine; it may be gone at any time.

    ``key`` is its own in the cache, ``path`` the file on this machine, as text.
    """

    path: str
    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Tables:
    """A split as Parquet, whatever its own format: what pages, queries and statistics are read from.

    ``files`` in the order of their rows; ``features`` (as ``Features.to_dict``) where the files' own schemas do not
    say it all; ``is_partial``: more rows are on their way, or were left out.
    """

    files: tuple[DataFile | MadeFile, ...]
    features: Mapping[str, object] | None = None
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """Files in the order of their rows. ``metadata`` are the metadata files of a folder format."""

    name: str
    files: tuple[DataFile, ...]
    metadata: tuple[DataFile, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(each.size_bytes for each in self.files)

    @property
    def is_packed(self) -> bool:
        """Whether some of its files are compressed, or archives."""
        return any(each.path.lower().endswith(_PACKED) for each in self.files)


@dataclass(frozen=True, slots=True)
class Config:
    """A config: how its files are read, and its splits.

    ``format`` is the name of the library's module: parquet, csv, json, text, arrow, webdataset, imagefolder,
    audiofolder, videofolder, pdffolder… ``options`` are the builder's parameters from the card (``sep``,
    ``field``, ``drop_labels``…), ``features`` what the card declares (as ``datasets.Features.to_dict`` writes it),
    ``info`` its ``dataset_info``.
    """

    name: str
    format: str
    splits: tuple[Split, ...]
    options: Mapping[str, object] = field(default_factory=dict)
    features: Mapping[str, object] | None = None
    info: Mapping[str, object] = field(default_factory=dict)
    is_default: bool = False

    def is_parquet(self, split: Split) -> bool:
        """Tell whether a split is Parquet as it lies there: packed in other files it is a format like any other."""
        return self.format == "parquet" and not split.is_packed

    def split(self, name: str) -> Split:
        """Return a split by its name. Raises SplitNotFound."""
        for each in self.splits:
            if each.name == name:
                return each
        known = ", ".join(split.name for split in self.splits[:20])
        raise SplitNotFound(f"The config '{self.name}' has no split '{name[:100]}'. It has: {known}.")


@dataclass(frozen=True, slots=True)
class Plan:
    """All configs of a dataset at one commit; never empty. ``failed``: why other configs of the card have no files."""

    commit: Oid
    configs: tuple[Config, ...]
    failed: Mapping[str, str] = field(default_factory=dict)

    def config(self, name: str) -> Config:
        """Return a config by its name. Raises ConfigNotFound, DataFilesNotFound."""
        for each in self.configs:
            if each.name == name:
                return each
        if name in self.failed:
            raise DataFilesNotFound(self.failed[name])
        known = ", ".join(config.name for config in self.configs[:20])
        raise ConfigNotFound(f"This dataset has no config '{name[:100]}'. It has: {known}.")

    @property
    def default(self) -> Config:
        """The config that is shown where none was named."""
        return next((each for each in self.configs if each.is_default), self.configs[0])
