#!/usr/bin/env python3
"""Makes a copy of containerd's module that understands `rewrite` in hosts.toml, as the platform's own build does.

usage: patch.py MODULE_DIRECTORY DESTINATION

No containerd source is kept here: two files of our own are added beside the originals, and a few lines are inserted
next to anchors. An anchor that is not there exactly once ends the run, so a new version cannot be half patched.
(A build overlay would need no copy, but Go refuses overlays below its module cache.)
"""

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
CLIENT = "core/remotes/docker"


class Edit(NamedTuple):
    """Text to put in the place of `anchor`, which must occur exactly once in `file` of the client package."""

    file: str
    anchor: str
    text: str


EDITS = [
    Edit("registry.go", "type RegistryHost struct {\n", "type RegistryHost struct {\n\tRewrites []Rewrite\n"),
    Edit("resolver.go", "host.Path, r.repository}", "host.Path, host.rewriteRepository(r.repository)}"),
    Edit(
        "resolver.go",
        "r.host.Authorizer.Authorize(ctx, req)",
        "r.host.Authorizer.Authorize(r.host.rewriteScopes(ctx), req)",
    ),
    Edit("config/hosts.go", "type hostConfig struct {\n", "type hostConfig struct {\n\trewrites []docker.Rewrite\n"),
    Edit(
        "config/hosts.go",
        "type hostFileConfig struct {\n",
        'type hostFileConfig struct {\n\tRewrite []rewriteConfig `toml:"rewrite"`\n',
    ),
    Edit(
        "config/hosts.go",
        "\tresult.skipVerify = config.SkipVerify\n",
        "\tresult.skipVerify = config.SkipVerify\n"
        "\tif result.rewrites, err = compileRewrites(config.Rewrite); err != nil {\n"
        "\t\treturn hostConfig{}, err\n"
        "\t}\n",
    ),
    Edit(
        "config/hosts.go",
        "\trhosts[i].Header = host.header\n",
        "\trhosts[i].Header = host.header\n\t\t\trhosts[i].Rewrites = host.rewrites\n",
    ),
]
ADDED = {"docker/rewrite.go": f"{CLIENT}/rewrite.go", "config/rewrite.go": f"{CLIENT}/config/rewrite.go"}


def apply(root: Path, edit: Edit) -> None:
    """Edits one file below `root`; ends the program when the anchor is missing or ambiguous."""
    path = root / CLIENT / edit.file
    before = path.read_text(encoding="utf-8")
    if (found := before.count(edit.anchor)) != 1:
        sys.exit(f"containerd-rewrite: anchor {edit.anchor!r} occurs {found} times in {edit.file}, not once")
    path.write_text(before.replace(edit.anchor, edit.text), encoding="utf-8")


def main(source: Path, destination: Path) -> None:
    """Copies `source` to `destination` (must not exist) and patches the copy."""
    # The module cache is read-only; copyfile leaves the modes behind.
    shutil.copytree(source, destination, copy_function=shutil.copyfile)
    for directory in [destination, *(entry for entry in destination.rglob("*") if entry.is_dir())]:
        directory.chmod(0o755)
    for ours, theirs in ADDED.items():
        shutil.copyfile(HERE / ours, destination / theirs)
    for edit in EDITS:
        apply(destination, edit)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
