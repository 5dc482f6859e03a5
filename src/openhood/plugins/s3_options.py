"""How an S3 object store is opened: the options in its URL. Nothing here talks to the service.

Opened as ``s3://bucket/prefix?option=value&…``; each option may be given to `open_store` by name instead:

===================  =================================================================================
``endpoint``         URL of the service; unset: Amazon's for the region
``public_endpoint``  URL under which clients reach the service, for presigned URLs; unset: ``endpoint``
``presign``          ``0`` when clients cannot reach the service: the hub then serves every byte itself
``region``           unset: ``AWS_REGION``, ``AWS_DEFAULT_REGION``, ``us-east-1``
``path_style``       ``1``: the bucket in the path, ``0``: in the host name; unset: 1 with an endpoint
``access_key``       with ``secret_key``; unset: what botocore finds (``AWS_ACCESS_KEY_ID`` and
                     ``AWS_SECRET_ACCESS_KEY``, shared files, the role of the machine)
``part_mib``         size of the parts of streamed writes, 5 to 16; unset: 8, good for objects of 78 GiB
===================  =================================================================================
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9_.!$&'()+,:;=@-]{0,254}"
KEY = re.compile(rf"(?!.*\.\.){SEGMENT}(?:/{SEGMENT})*")
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class S3Options:
    """The options of the module's table, parsed."""

    bucket: str
    prefix: str
    endpoint: str | None = None
    public_endpoint: str | None = None
    is_presigning: bool = True
    region: str = "us-east-1"
    is_path_style: bool = False
    access_key: str | None = None
    secret_key: str | None = None
    part_bytes: int = 8 * MIB


def parse_options(url: str, options: Mapping[str, object]) -> S3Options:
    """Return the options in ``url`` and those given by name, which win. Raises ValueError for one that is wrong."""
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc or parts.fragment:
        raise ValueError("Expected s3://bucket/prefix?option=value.")
    prefix = unquote(parts.path).strip("/")
    if prefix and KEY.fullmatch(prefix) is None:
        raise ValueError(f"The prefix {prefix[:200]!r} cannot begin an object key.")
    given = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    given |= {name: str(value) for name, value in options.items() if value is not None}
    known = {
        "endpoint",
        "public_endpoint",
        "presign",
        "region",
        "path_style",
        "access_key",
        "secret_key",
        "part_mib",
    }
    if unknown := given.keys() - known:
        raise ValueError(f"Unknown options of an S3 object store: {', '.join(sorted(unknown))}.")
    for name in ("endpoint", "public_endpoint"):
        if name in given and urlsplit(given[name]).scheme not in ("http", "https"):
            raise ValueError(f"The option {name} must be an http or https URL.")
    for name in ("presign", "path_style"):
        if given.get(name, "0") not in ("0", "1"):
            raise ValueError(f"The option {name} must be 0 or 1.")
    part_mib = int(given.get("part_mib", "8"))
    if not 5 <= part_mib <= 16:
        raise ValueError("The option part_mib must be 5 to 16.")
    if ("access_key" in given) != ("secret_key" in given):
        raise ValueError("The options access_key and secret_key belong together.")
    return S3Options(
        bucket=parts.netloc,
        prefix=f"{prefix}/" if prefix else "",
        endpoint=given.get("endpoint"),
        public_endpoint=given.get("public_endpoint"),
        is_presigning=given.get("presign", "1") == "1",
        region=given.get("region")
        or os.environ.get("AWS_REGION")
        or os.environ.get("AWS_DEFAULT_REGION")
        or "us-east-1",
        is_path_style=given.get("path_style", "1" if "endpoint" in given else "0") == "1",
        access_key=given.get("access_key"),
        secret_key=given.get("secret_key"),
        part_bytes=part_mib * MIB,
    )
