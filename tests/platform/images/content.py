"""What the demo's images are made of: a static busybox, a program that lives until it is told to stop, and ballast."""

from __future__ import annotations

import random
from pathlib import Path

from tools.oci.layers import Entry

BUSYBOX = Path("/bin/busybox")  # Debian's busybox-static
READY_FILE = "/tmp/ready"
APPLETS = (
    *("cat", "cp", "date", "env", "grep", "head", "id", "ls", "mkdir", "nslookup", "rm", "sed", "sh", "sha256sum"),
    *("sleep", "tail", "test", "touch", "true", "wc", "wget"),
)
RUN = f"""#!/bin/sh
# Process 1 has no default handlers: without the trap each stop would take the whole grace period.
trap 'exit 0' TERM INT
cat /etc/release
: > {READY_FILE}
while :; do sleep 3600 & wait $!; done
"""
CONFIG = {"Entrypoint": ["/run.sh"], "Env": ["PATH=/bin:/usr/bin"], "WorkingDir": "/"}


def busybox_layer() -> list[Entry]:
    """A shell with few commands, and the program that stays alive and says that it is ready."""
    return [
        Entry("bin"),
        Entry("bin/busybox", BUSYBOX),
        *(Entry(f"bin/{name}", link="busybox") for name in APPLETS),
        Entry("run.sh", RUN.encode()),
        Entry("tmp", mode=0o1777),
    ]


def release_layer(name: str) -> list[Entry]:
    """The layer in which releases and platforms differ."""
    return [Entry("etc"), Entry("etc/release", f"{name}\n".encode(), mode=0o644)]


def ballast_layer(mebibytes: int) -> list[Entry]:
    """Files that do not shrink, always the same; 1 MiB each so that unpacking shows progress in small steps."""
    source = random.Random(5001)
    return [
        Entry("ballast"),
        *(Entry(f"ballast/{n:03}", source.randbytes(1 << 20), mode=0o644) for n in range(mebibytes)),
    ]
