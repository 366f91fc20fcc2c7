"""Which bytes an answer holds, and what is asked for when the rest of them is missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_gateway.sources.ranges import Span, UnsatisfiableError, request, span, wanted


@pytest.mark.parametrize(
    ("status", "content_range", "length", "expected"),
    [
        (200, "", 10, Span(0, 9, 10)),
        (200, "bytes 3-4/10", 10, Span(0, 9, 10)),  # of no meaning with 200
        (200, "", None, None),
        (200, "", 0, None),
        (206, "bytes 3-4/10", 2, Span(3, 4, 10)),
        (206, "bytes 3-4/10", None, Span(3, 4, 10)),
        (206, "Bytes 0-9/10", 10, Span(0, 9, 10)),
        (206, "", 2, None),  # several ranges in one body
        (206, "bytes 3-4/*", 2, None),
        (206, "bytes */10", 2, None),
        (206, "bytes 3-4/10", 3, None),
        (206, "bytes 4-3/10", None, None),
        (206, "bytes 3-10/10", None, None),
        (206, "bytes 3-4/10, 6-7/10", None, None),
        (206, "items 3-4/10", 2, None),
        (206, "bytes -1-4/10", None, None),
        (206, "bytes ٣-٤/10", None, None),
        (206, "bytes 3-4/" + "9" * 30, None, None),
        (304, "", None, None),
        (416, "bytes */10", 0, None),
    ],
)
def test_the_span_of_an_answer_is_what_its_headers_agree_on(
    status: int, content_range: str, length: int | None, expected: Span | None
) -> None:
    assert span(status, {"Content-Range": content_range}, length) == expected


@pytest.mark.parametrize(
    ("etag", "condition"),
    [('"abc"', ['"abc"']), ('""', ['""']), ('W/"abc"', []), ("abc", []), ('"a"b"', []), ('"a b"', []), ("", [])],
)
def test_only_a_strong_etag_is_a_condition(etag: str, condition: list[str]) -> None:
    headers = request(Span(5, 9, 10), {"ETag": etag} if etag else {})
    assert headers[0] == ("Range", "bytes=5-9")
    assert [value for name, value in headers if name == "If-Range"] == condition


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.data())
def test_what_is_left_ends_where_the_whole_ends(first: int, length: int, data: st.DataObject) -> None:
    whole = Span(first, first + length - 1, first + length + data.draw(st.integers(0, 100)))
    received = data.draw(st.integers(0, length - 1))
    rest = whole.after(received)
    assert (rest.first, rest.last, rest.total) == (first + received, whole.last, whole.total)
    assert rest.length + received == whole.length


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", Span(0, 0, 10)),
        ("bytes=3-", Span(3, 9, 10)),
        ("bytes=3-99", Span(3, 9, 10)),
        ("bytes=-4", Span(6, 9, 10)),
        ("bytes=-99", Span(0, 9, 10)),
        ("", None),
        ("bytes=4-3", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("lines=0-1", None),
        ("bytes=٣-٤", None),
    ],
)
def test_one_range_is_granted_and_what_is_none_means_the_whole(header: str, expected: Span | None) -> None:
    assert wanted(header, 10) == expected


@pytest.mark.parametrize(("header", "total"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0)])
def test_a_range_behind_the_end_cannot_be_granted(header: str, total: int) -> None:
    with pytest.raises(UnsatisfiableError):
        wanted(header, total)
