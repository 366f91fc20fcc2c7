"""Hand the data directory over to the user that the gateway runs as: `registry-gateway own`, run as root before it.

The kubelet makes a missing folder as root's. What cannot be handed over is said and is no failure: gateways serve
without a store too, and report why they have none.
"""

from __future__ import annotations

import argparse
import os
import re
import stat
from pathlib import Path

from registry_gateway import log

_OF_A_STORE = {"blobs", "index.sqlite"}
_OF_A_DISK = {"lost+found"}  # what `mkfs` leaves on a disk of its own


def own(folder: Path, *, uid: int, gid: int, mode: int) -> bool:
    """Give `folder` this owner and these permissions; whether it has them now.

    What is in it changes owner only when the folder itself has another one, and only if it is a store: the folder of
    somebody else is left alone. The folder comes last, so that an interrupted run is taken up by the next one.
    """
    try:
        now = folder.stat(follow_symlinks=False)
        if not stat.S_ISDIR(now.st_mode):
            log.emit("error", "the data directory is no directory; set another storage.path", path=str(folder))
            return False
        if (now.st_uid, now.st_gid) != (uid, gid):
            inside = {entry.name for entry in folder.iterdir()} - _OF_A_DISK
            if inside and not inside & _OF_A_STORE:
                message = "the data directory holds something that is no store; set storage.path to an empty folder"
                log.emit("error", message, path=str(folder))
                return False
            _give_all(folder, uid, gid)
            os.chown(folder, uid, gid)
        if stat.S_IMODE(now.st_mode) != mode:
            folder.chmod(mode)
    except OSError as error:
        message = "the data directory cannot be handed over to the gateway; look at the disk and at storage.path"
        log.emit("error", message, path=str(folder), reason=os.strerror(error.errno or 0))
        return False
    return True


def _give_all(folder: Path, uid: int, gid: int) -> None:
    """Everything below `folder`, by file descriptors: a link that appears meanwhile leads nowhere."""
    for _, folders, files, here in os.fwalk(folder, follow_symlinks=False):
        for name in (*folders, *files):
            os.chown(name, uid, gid, dir_fd=here, follow_symlinks=False)


def parse_owner(text: str) -> tuple[int, int]:
    """`64535:64535` → (user, group). Raises ArgumentTypeError; root is nobody to hand over to."""
    found = re.fullmatch(r"([1-9][0-9]{0,9}):([1-9][0-9]{0,9})", text, re.ASCII)
    if not found:
        raise argparse.ArgumentTypeError("must be UID:GID, both above 0")
    return int(found[1]), int(found[2])


def parse_mode(text: str) -> int:
    """`0750` → the permission bits. Raises ArgumentTypeError."""
    if not re.fullmatch(r"0[0-7]{3}", text, re.ASCII):
        raise argparse.ArgumentTypeError("must be four octal digits that begin with 0")
    return int(text, 8)
