"""Several sources: the order, when the next is asked, and whose error is told."""

from __future__ import annotations

import pytest

from registry_gateway import translate
from registry_gateway.sources import verdict
from registry_gateway.sources.base import Answer, Query, Reason, SourceError
from registry_gateway.sources.ordered import NoAnswerError, first_answer
from registry_gateway.target import Kind

QUERY = Query(Kind.MANIFEST, "x", "v1")


class Scripted:
    """A source that gives `outcome`."""

    def __init__(
        self, label: str, outcome: SourceError | None, *, ailing: bool = False, log: list[str] | None = None
    ) -> None:
        self.label, self.outcome, self.ailing = label, outcome, ailing
        self.log = [] if log is None else log

    async def fetch(self, query: Query) -> Answer:
        self.log.append(self.label)
        if self.outcome:
            raise self.outcome
        return Answer(200, {}, self.label)


def status(code: int, host: str = "a") -> SourceError:
    return verdict.of_status(code, host, what="x:v1", retry_after="7" if code == 429 else "")


GONE = SourceError(Reason.UNREACHABLE, "b cannot be reached", host="b")
LATE = SourceError(Reason.UNREACHABLE, "b did not answer", host="b", late=True)


@pytest.mark.parametrize("code", [401, 403, 404, 429, 500, 502, 503])
async def test_the_next_source_answers_for_one_that_cannot(code: int) -> None:
    answer = await first_answer([Scripted("a", status(code)), Scripted("b", None)], QUERY)
    assert answer.source == "b"


async def test_a_source_that_answers_is_the_last_one_asked() -> None:
    log: list[str] = []
    await first_answer([Scripted("a", None, log=log), Scripted("b", None, log=log)], QUERY)
    assert log == ["a"]


async def test_a_source_that_ails_is_asked_last() -> None:
    log: list[str] = []
    await first_answer([Scripted("a", None, ailing=True, log=log), Scripted("b", status(404), log=log)], QUERY)
    assert log == ["b", "a"]


async def test_an_unsatisfiable_range_is_not_asked_elsewhere() -> None:
    log: list[str] = []
    with pytest.raises(NoAnswerError):
        await first_answer([Scripted("a", status(416), log=log), Scripted("b", None, log=log)], QUERY)
    assert log == ["a"]


@pytest.mark.parametrize(
    ("first", "second", "expected", "code"),
    [
        (status(404), GONE, 404, "MANIFEST_UNKNOWN"),
        (GONE, status(404), 503, "UNAVAILABLE"),
        (LATE, status(404), 504, "UNAVAILABLE"),
        (status(401), status(404), 401, "UNAUTHORIZED"),
        (status(403), status(404), 403, "DENIED"),
        (status(500), status(404), 502, "UNAVAILABLE"),
        (status(429), status(404), 429, "TOOMANYREQUESTS"),
        (status(416), status(404), 416, "RANGE_INVALID"),
    ],
)
@pytest.mark.parametrize("ailing", [False, True])
async def test_the_first_source_decides_what_the_client_is_told(
    first: SourceError, second: SourceError, expected: int, code: str, ailing: bool
) -> None:
    with pytest.raises(NoAnswerError) as failed:
        await first_answer(
            [Scripted("a", first, ailing=ailing and first in (GONE, LATE)), Scripted("b", second)], QUERY
        )
    told = translate.failure(failed.value, Kind.MANIFEST)
    assert (told.status, told.code) == (expected, code)


async def test_every_source_has_its_say_in_the_body() -> None:
    with pytest.raises(NoAnswerError) as failed:
        await first_answer([Scripted("a", status(404)), Scripted("b", GONE)], QUERY)
    body = translate.failure(failed.value, Kind.MANIFEST).body().decode()
    assert "a answered 404" in body
    assert "b cannot be reached" in body


async def test_without_sources_the_client_is_told_to_come_back() -> None:
    with pytest.raises(NoAnswerError) as failed:
        await first_answer([], QUERY)
    told = translate.failure(failed.value, Kind.MANIFEST)
    assert (told.status, told.headers) == (503, {"Retry-After": "5"})


@pytest.mark.parametrize("error", [GONE, LATE, status(429, "b"), status(500), status(503)])
async def test_what_may_pass_by_itself_says_when_to_come_back(error: SourceError) -> None:
    assert translate.failure(NoAnswerError([error]), Kind.BLOB).headers["Retry-After"]


async def test_the_upstreams_retry_after_is_handed_on() -> None:
    told = translate.failure(NoAnswerError([status(429)]), Kind.BLOB)
    assert told.headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("kind", "code"),
    [(Kind.MANIFEST, "MANIFEST_UNKNOWN"), (Kind.BLOB, "BLOB_UNKNOWN"), (Kind.TAGS, "NAME_UNKNOWN")],
)
async def test_what_is_missing_is_named_by_its_kind(kind: Kind, code: str) -> None:
    assert translate.failure(NoAnswerError([status(404)]), kind).code == code
