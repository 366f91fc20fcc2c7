"""`registry-gateway own`: the data directory is handed over, once, and nobody else's folder is."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_gateway import cli
from registry_gateway.own import own
from tests.support.gateway import PACKAGE

UID, GID = 64535, 64535


def root(test: Callable[..., None]) -> Callable[..., None]:
    mark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
    return mark(pytest.mark.root(test))  # type: ignore[no-any-return] # a mark gives back what it is given


def owners(folder: Path) -> set[tuple[int, int]]:
    found = [folder, *folder.rglob("*")]
    return {(path.lstat().st_uid, path.lstat().st_gid) for path in found}


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder as a store of root's leaves it, with the disk's own folder in it."""
    data = tmp_path / "data"
    for folder in ("blobs/sha256", "repositories/a", "lost+found"):
        (data / folder).mkdir(parents=True)
    (data / "index.sqlite").write_text("i")
    (data / "blobs/sha256/aa").write_text("b")
    (data / "blobs/sha256/aa").chmod(0o440)
    (data / "repositories/a/blobs").symlink_to("../../blobs")
    return data


@root
def test_new_folder_gets_owner_and_permissions(tmp_path: Path) -> None:
    assert own(tmp_path, uid=UID, gid=GID, mode=0o750)
    assert (owners(tmp_path), permissions(tmp_path)) == ({(UID, GID)}, 0o750)


@root
def test_store_of_another_owner_is_handed_over_with_all_that_is_in_it(store: Path) -> None:
    outside = store.parent / "outside"
    outside.write_text("o")
    (store / "blobs/link").symlink_to(outside)
    (store / "blobs").chmod(0o700)
    assert own(store, uid=1000, gid=GID, mode=0o700)
    assert (owners(store), permissions(store)) == ({(1000, GID)}, 0o700)
    assert permissions(store / "blobs/sha256/aa") == 0o440
    assert outside.stat().st_uid == 0


@root
def test_second_run_looks_at_the_folder_alone(store: Path) -> None:
    assert own(store, uid=UID, gid=GID, mode=0o750)
    os.chown(store / "blobs/sha256/aa", 0, 0)
    assert own(store, uid=UID, gid=GID, mode=0o700)
    assert permissions(store) == 0o700
    assert (store / "blobs/sha256/aa").stat().st_uid == 0


@root
def test_interrupted_run_is_taken_up_again(store: Path) -> None:
    os.chown(store / "index.sqlite", UID, GID)
    assert own(store, uid=UID, gid=GID, mode=0o750)
    assert owners(store) == {(UID, GID)}


@root
def test_empty_disk_of_its_own_is_taken(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    assert own(tmp_path, uid=UID, gid=GID, mode=0o750)


@root
def test_folder_of_somebody_else_is_left_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    before = permissions(tmp_path)
    assert not own(tmp_path, uid=UID, gid=GID, mode=0o750)
    assert (owners(tmp_path), permissions(tmp_path)) == ({(0, 0)}, before)
    assert "set storage.path to an empty folder" in capfd.readouterr().out


@pytest.mark.parametrize("what", ["nothing", "file", "link"])
def test_what_is_no_folder_is_said_and_left_alone(what: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "data"
    if what == "file":
        path.write_text("x")
    elif what == "link":
        path.symlink_to("/etc")
    assert not own(path, uid=UID, gid=GID, mode=0o750)
    assert "data directory" in capfd.readouterr().out


def test_command_never_keeps_the_gateway_from_starting(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "registry_gateway", "own", f"--data={tmp_path / 'none'}", "--owner=1:1"]
    done = subprocess.run(
        [*command, "--mode=0750"], env={"PYTHONPATH": str(PACKAGE)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "No such file or directory" in done.stdout


@root
def test_command_hands_the_folder_over(tmp_path: Path) -> None:
    assert cli.main(["own", f"--data={tmp_path}", "--owner=1000:64535", "--mode=0710"]) == 0
    assert (owners(tmp_path), permissions(tmp_path)) == ({(1000, 64535)}, 0o710)


@pytest.mark.parametrize(
    "option", ["--owner=0:1", "--owner=1:0", "--owner=1", "--owner=a:b", "--mode=750", "--mode=0800", "--mode=rwx"]
)
def test_wrong_options_are_refused(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["own", f"--data={tmp_path}", "--owner=1:1", "--mode=0750", option])
    assert "must be" in capsys.readouterr().err
