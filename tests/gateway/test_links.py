"""Lists: pagination and the repository's name come back in our words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_gateway import links
from registry_gateway.oci import OciError

OURS = "/v2/system/deckhouse/tags/list"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ('</v2/deckhouse/ee/tags/list?n=2&last=v1>; rel="next"', f'<{OURS}?n=2&last=v1>; rel="next"'),
        ("</v2/deckhouse/ee/tags/list?last=v1>;rel=next", f'<{OURS}?last=v1>; rel="next"'),
        ('<https://r.example.com/v2/deckhouse/ee/tags/list?x=%2Fa>; rel="next"', f'<{OURS}?x=%2Fa>; rel="next"'),
        ('<?n=1&last=a>; rel="next"', f'<{OURS}?n=1&last=a>; rel="next"'),
        ('</a>; rel="prev", </v2/p/tags/list?n=1>; title="x"; rel="next"', f'<{OURS}?n=1>; rel="next"'),
        ('</v2/deckhouse/ee/tags/list?n=2>; rel="prev"', ""),
        ('</v2/deckhouse/ee/tags/list>; rel="next"', ""),
        ('</elsewhere?n=2>; rel="next"', ""),
        ('</v2/deckhouse/ee/tags/list?n=2 3>; rel="next"', ""),
        ('<//[x/tags/list?n=2>; rel="next"', ""),
        ("nonsense", ""),
        ("", ""),
        ("<" * 9000, ""),
    ],
)
def test_next_page_leads_to_the_gateway(link: str, expected: str) -> None:
    assert links.next_page(link, ours=OURS) == expected


@given(st.text(max_size=300))
def test_any_link_is_read_without_failing(link: str) -> None:
    found = links.next_page(link, ours=OURS)
    assert found == "" or found.startswith(f"<{OURS}?")


@given(st.text(alphabet='<>;="? rel=next/tagslist,', max_size=300))
def test_nearly_right_links_lead_nowhere_else(link: str) -> None:
    found = links.next_page(link, ours=OURS)
    assert found == "" or found.startswith(f"<{OURS}?")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("", ""),
        ("ns=registry.d8-system.svc%3A5001", ""),
        ("n=5&ns=x&last=v1", "n=5&last=v1"),
        ("artifactType=application%2Fx", "artifactType=application%2Fx"),
        ("next_page=opaque~token==", "next_page=opaque~token=="),
        ("&&n=1&", "n=1"),
    ],
)
def test_parameters_are_passed_on_but_for_ns(raw: str, expected: str) -> None:
    assert links.parameters(raw) == expected


@pytest.mark.parametrize("raw", ["a b", "a\r\nX: y", "a#b", "é", "n=" + "1" * 3000])
def test_what_is_no_query_is_refused(raw: str) -> None:
    with pytest.raises(OciError):
        links.parameters(raw)


def test_tags_come_under_our_name() -> None:
    renamed = links.rename_tags(b'{"name": "deckhouse/ee", "tags": ["v1", "v2"]}', name="system/deckhouse")
    assert renamed is not None
    assert json.loads(renamed) == {"name": "system/deckhouse", "tags": ["v1", "v2"]}


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"\xff", b"[" * 100_000])
def test_what_is_no_list_of_tags_is_none(body: bytes) -> None:
    assert links.rename_tags(body, name="x") is None
