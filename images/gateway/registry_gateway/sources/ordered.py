"""Asking sources in order until one answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from registry_gateway.sources.base import Answer, Query, Source, SourceError

# What the next source cannot do better: the request itself does not fit the content.
_FINAL_STATUS = frozenset((416,))


Failed = Callable[[Source, SourceError], None]


class NoAnswerError(Exception):
    """No source answered. `errors` are in the order of the sources, not in that of asking."""

    def __init__(self, errors: Sequence[SourceError]) -> None:
        super().__init__("no source answered")
        self.errors = tuple(errors)

    @property
    def best(self) -> SourceError:
        """The error to report.

        The first source is the registry that the administrator wants now, so its word counts: its 404 is a 404
        although an older registry is gone already, and its outage is an outage although an older registry never had
        the image.
        """
        return self.errors[0]


class Supply(Protocol):
    """Who gives answers, from whichever source."""

    async def answer(self, query: Query, failed: Failed | None = None) -> Answer:
        """Answer `query`; `failed` is told of each source that could not. Raises NoAnswerError."""
        ...


class Ordered:
    """Sources that are asked one after the other."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)

    async def answer(self, query: Query, failed: Failed | None = None) -> Answer:
        """See `Supply`."""
        return await first_answer(self._sources, query, failed=failed)


async def first_answer(sources: Sequence[Source], query: Query, *, failed: Failed | None = None) -> Answer:
    """The answer of the first source that has one; `failed` is told of each that has none.

    A source that could not be reached a moment ago is asked last: a dead one must not cost its deadline per request.
    Raises NoAnswerError, also when there is no source (then `errors` is empty).
    """
    errors: dict[int, SourceError] = {}
    for place, source in sorted(enumerate(sources), key=lambda entry: entry[1].ailing):  # sorting is stable
        try:
            return await source.fetch(query)
        except SourceError as error:
            errors[place] = error
            if failed:
                failed(source, error)
            if error.status in _FINAL_STATUS:
                raise NoAnswerError([error]) from None
    raise NoAnswerError([errors[place] for place in sorted(errors)])
