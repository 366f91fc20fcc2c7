"""The folder of the nodes that holds the store: which paths and permissions are safe to hand to it."""

from __future__ import annotations

import re

DEFAULT_PATH = "/opt/deckhouse/registry/store"
DEFAULT_MODE = "0750"
_MAX_PATH = 200
_PATH = re.compile(r"(?:/[A-Za-z0-9._-]+)+", re.ASCII)
_MODE = re.compile(r"0([0-7])[0-7]([0-7])", re.ASCII)

_TAKEN = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys"),
    *("/usr", "/var/cache", "/var/log", "/var/run"),
    *("/tmp", "/var/tmp"),  # noqa: S108 - nothing is written there
    *("/var/lib/bashible", "/var/lib/containerd", "/var/lib/etcd", "/var/lib/kubelet", "/var/lib/registry-route"),
    *("/opt/cni", "/opt/containerd", "/opt/deckhouse/bin"),
)
"""Folders of others: the store is neither in them nor around them."""
_SHARED = ("/home", "/media", "/mnt", "/opt", "/opt/deckhouse", "/srv", "/var", "/var/lib", "/var/opt")
"""Folders where the store has a folder of its own, whose owner it may change."""


def path_error(path: str) -> str:
    """Why content cannot be kept in folder `path` of the nodes, or ""."""
    path = path.rstrip("/") or "/"
    if path == "/":
        return "must be a folder of its own, not the root of the file system"
    if len(path) > _MAX_PATH:
        return f"is longer than {_MAX_PATH} characters"
    if not _PATH.fullmatch(path):
        return f"must be absolute, of letters, digits, and . _ - between slashes, for example {DEFAULT_PATH}"
    if {".", ".."} & set(path.split("/")):
        return "must not have `.` or `..` segments"
    if path in _SHARED:
        return f"must be a folder of its own; use one in it, for example {path}/registry"
    for taken in _TAKEN:
        if path == taken or path.startswith(taken + "/"):
            return f"must not be in {taken}, which belongs to the system"
        if taken.startswith(path + "/"):
            return f"must not have {taken} in it, which belongs to the system"
    return ""


def mode_error(mode: str) -> str:
    """Why the folder cannot have the permissions `mode`, or ""."""
    found = _MODE.fullmatch(mode)
    if not found:
        return f"must be four octal digits in quotes that begin with 0, for example {DEFAULT_MODE}"
    if found[1] != "7":
        return "must let the owner read, write and enter: the second digit is 7"
    if int(found[2]) & 2:
        return "must not let everybody write: the last digit is 0, 1, 4 or 5"
    return ""
