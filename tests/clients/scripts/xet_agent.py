"""A transfer agent for git-lfs that sends by Xet, as ``git-xet`` does: git-lfs speaks to it in lines of JSON.

Source: git-lfs ``docs/custom-transfers.md``; ``git_xet/src/app/xet_agent.rs`` of xet-core.
"""

from __future__ import annotations

import json
import sys

import hf_xet


def say(**message: object) -> None:
    """Tell git-lfs something."""
    print(json.dumps(message), flush=True)


def send(path: str, cas_url: str, token: tuple[str, int]) -> None:
    """Upload one file."""
    hf_xet.upload_files([path], cas_url, token, lambda: token, None, "model")


def main() -> None:
    """Answer until told to end."""
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["event"] == "init":
            say()
        elif asked["event"] == "upload":
            header = asked["action"]["header"]
            token = (header["X-Xet-Access-Token"], int(header["X-Xet-Token-Expiration"]))
            assert header["X-Xet-Session-Id"]
            assert "/xet-write-token/" in asked["action"]["href"]
            send(asked["path"], header["X-Xet-Cas-Url"], token)
            say(event="complete", oid=asked["oid"])
        elif asked["event"] == "terminate":
            return


main()
