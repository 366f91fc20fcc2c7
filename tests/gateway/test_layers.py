"""Files in layers: what is on top counts, and archives that are broken or made to be do no harm."""

from __future__ import annotations

import gzip
import os
import tarfile
import tempfile
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_gateway.upkeep import layers
from registry_gateway.upkeep.layers import LayerError
from tests.gateway.stores import layer

WANTED = "a/b/list.json"


def read(*bodies: bytes) -> dict[str, bytes]:
    with ExitStack() as opened:
        files = [opened.enter_context(tempfile.TemporaryFile()) for _ in bodies]
        for file, body in zip(files, bodies, strict=True):
            file.write(body)
            file.flush()
        return layers.files([file.fileno() for file in files], lambda path: path.endswith("list.json"))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("prefix", ["", "./", "/"])
def test_a_file_is_found_packed_or_not_and_however_its_path_is_written(packed: bool, prefix: str) -> None:
    content = {"other": b"x" * 5000, "a/": b"", prefix + WANTED: b"{}", "z" * 300: b"long name"}
    assert read(layer(content, packed=packed)) == {WANTED: b"{}"}


@pytest.mark.parametrize(
    ("above", "left"),
    [
        ({WANTED: b"2"}, b"2"),
        ({"a/b/.wh.list.json": b""}, None),
        ({"a/.wh.b": b""}, None),
        ({".wh.a": b""}, None),
        ({"a/b/.wh..wh..opq": b""}, None),
        ({".wh..wh..opq": b""}, None),
        ({"a": b"a file now"}, None),
        ({"a/": b"", "a/b/": b""}, b"1"),
        ({"a/.wh.bb": b"", "a/b/.wh.list.jso": b""}, b"1"),
        ({"a/b/.wh..wh..opq": b"", WANTED: b"3"}, b"3"),
        ({WANTED: b"4", "a/b/.wh.list.json": b""}, b"4"),  # whiteouts are of lower layers only
    ],
)
def test_upper_layers_replace_and_hide_what_is_below(above: dict[str, bytes], left: bytes | None) -> None:
    assert read(layer({WANTED: b"1"}), layer(above)) == ({} if left is None else {WANTED: left})


def negative_size() -> bytes:
    entry = bytearray(layer({"other": b"x" * 600}, packed=False))
    entry[124:136] = b"\xff" * 10 + b"\xf8\x00"  # base 256: -2048
    entry[148:156] = b" " * 8
    entry[148:156] = b"%06o\0 " % sum(entry[:512])
    return bytes(entry)


def large_header() -> bytes:
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = tarfile.XHDTYPE, 8 * 1024**3 - 1024
    return entry.tobuf(tarfile.USTAR_FORMAT) + b"\0" * 1024


def link() -> bytes:
    entry = tarfile.TarInfo(WANTED)
    entry.type, entry.linkname = tarfile.SYMTYPE, "elsewhere"
    return entry.tobuf() + b"\0" * 1024


@pytest.mark.parametrize(
    "body",
    [
        b"no archive" * 100,
        layer({WANTED: b"x" * 10_000})[:-30],
        layer({"other": b"x", WANTED: b"x" * 10_000}, packed=False)[:3000],
        b"\x28\xb5\x2f\xfd" + b"zstd",
        gzip.compress(b"no archive" * 100),
        negative_size(),
        large_header(),
        gzip.compress(large_header()),
        link(),
        layer({WANTED: b"\0" * (layers.FILE_LIMIT + 1)}),
    ],
    ids=[
        *("no archive", "cut packed", "cut", "zstd", "packed no archive", "negative size", "large header"),
        *("packed large header", "link", "long file"),
    ],
)
def test_a_bad_layer_is_an_error_and_nothing_worse(body: bytes) -> None:
    with pytest.raises(LayerError):
        read(layer({WANTED: b"1"}), body)


@given(st.binary(max_size=2000), st.integers(0, 3000))
def test_whatever_a_layer_holds_ends_with_files_or_a_layer_error(noise: bytes, place: int) -> None:
    good = layer({WANTED: b"1", "other": b"2" * 600}, packed=False)
    for body in (noise, good[:place] + noise + good[place + len(noise) :]):
        try:
            assert all(path.endswith("list.json") for path in read(body))
        except LayerError:
            continue


@pytest.fixture
def many_files() -> Iterator[int]:
    """An open layer of 4,000 small files and one of 16 MiB."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layer"
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            large = tarfile.TarInfo("large")
            large.size = 16 * 1024**2
            with Path("/dev/zero").open("rb") as zeros:
                archive.addfile(large, zeros)
            for number in range(4_000):
                archive.addfile(tarfile.TarInfo(f"folder/{number}"))
                archive.members = []  # type: ignore[attr-defined] # typeshed does not know it
        descriptor = os.open(path, os.O_RDONLY)
        yield descriptor
        os.close(descriptor)


def test_a_large_layer_costs_little_memory(many_files: int) -> None:
    tracemalloc.start()
    try:
        assert layers.files([many_files], lambda path: False) == {}  # noqa: ARG005 - nothing is wanted
        assert tracemalloc.get_traced_memory()[1] < 512 * 1024
    finally:
        tracemalloc.stop()
