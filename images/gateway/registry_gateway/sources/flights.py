"""Blobs on their way into the store: one fetch each, followed by all who want them.

A flight belongs to nobody. It goes on when the client that caused it has gone: nodes ask again, and those of other
workers and replicas that follow it are not known here. What is fetched is verified at its end, so a body that breaks
may be continued from any source that has the content.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import Enum, auto

from registry_gateway import log, metrics
from registry_gateway.memory import ROOM
from registry_gateway.sources import content, ranges
from registry_gateway.sources.base import Answer, BodyError, Query, Reason, Source, SourceError
from registry_gateway.sources.content import BLOB_TYPE, STORE
from registry_gateway.sources.ordered import Failed, NoAnswerError, first_answer
from registry_gateway.sources.ranges import Span
from registry_gateway.sources.suspects import Suspects
from registry_gateway.store.errors import DigestMismatchError, FetchFailedError, NoSpaceError, StoreError
from registry_gateway.store.fetches import Claim
from registry_gateway.stores import Keeper, Opened

AT_MOST = 64  # at a time in one worker: each may hold 1.5 MiB that the disk has yet to take
FULL_SECONDS = 30.0  # for which nothing is stored after the disk was full in the middle of something
PARTS = 3  # requests for one blob: the first, and two more for the rest when bodies break


class Begun(Enum):
    """What became of a flight's beginning."""

    COMES = auto()  # it can be followed
    LOOK = auto()  # somebody else fetches it, or it is here already
    UNSTORED = auto()  # it cannot be stored


@dataclass(frozen=True, slots=True)
class Order:
    """The blob that `query` asks for, to be brought from `sources` into the repository `name`.

    Content that is here for another repository is given to this one too, without a fetch; with `ask_first` only if one
    of `sources` says that this one has it. `failed` is told of sources that had no answer.
    """

    opened: Opened
    name: str
    query: Query
    sources: Sequence[Source]
    has_room: Callable[[int], bool]
    ask_first: bool = False
    failed: Failed | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What makes two orders one."""
        return self.name, self.query.reference

    async def ask(self, method: str, *, start: int = 0) -> Answer:
        """Ask for all bytes from `start` on. Raises NoAnswerError."""
        headers = [(key, value) for key, value in self.query.headers if key.lower() == "user-agent"]
        if start:
            headers.append(("Range", f"bytes={start}-"))
        wanted = replace(self.query, method=method, headers=headers)
        return await first_answer(self.sources, wanted, failed=self.failed)


class Flight:
    """The fetch of one blob."""

    def __init__(self) -> None:
        self._begun: asyncio.Future[Begun] = asyncio.get_running_loop().create_future()
        self.senders: list[str] = []  # labels of who sent parts of it, the last one is sending

    @property
    def source(self) -> str:
        """Label of who sends it."""
        return self.senders[-1] if self.senders else ""

    async def wait(self) -> Begun:
        """How it began. Raises NoAnswerError when no source had an answer."""
        return await asyncio.shield(self._begun)

    def settle(self, outcome: Begun | NoAnswerError) -> None:
        """Say how it began, unless that was said."""
        if self._begun.done():
            return
        if isinstance(outcome, NoAnswerError):
            self._begun.set_exception(outcome)
            self._begun.exception()  # maybe nobody waits any more
        else:
            self._begun.set_result(outcome)


class Flights:
    """The flights of one worker."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._flights: dict[tuple[str, str], Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._suspects = Suspects()
        self._full_until = 0.0

    def join(self, order: Order) -> Flight | None:
        """The flight that brings what `order` says, maybe a new one. None when there can be no new one."""
        flight = self._flights.get(order.key)
        if flight is not None:
            return flight
        if obstacle := self._obstacle():
            metrics.unstored.labels(obstacle).inc()
            return None
        order = replace(order, sources=self._suspects.marked(order.sources, order.query.reference))
        flight = self._flights[order.key] = Flight()
        task = asyncio.create_task(self._run(flight, order))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return flight

    async def follow(self, opened: Opened, query: Query, *, source: str) -> Answer | None:
        """The blob that `query` asks for as it arrives, from whatever process fetches it. None when none does (any
        more): look again. Raises SourceError (416), StoreError.
        """
        with ExitStack() as stack:
            store = stack.enter_context(opened.held())
            growing = await store.fetches.follow(query.reference)
            if growing is None:
                return None
            stack.callback(growing.close)
            wanted = content.part(query, digest=query.reference, total=growing.total, media_type=BLOB_TYPE)
            held = stack.pop_all()

        async def close() -> None:
            held.close()

        body = _followed(growing.pieces(wanted.start, wanted.stop))
        return content.sent(wanted, source=source or STORE, body=body, close=close)

    async def close(self) -> None:
        """End all; what has not arrived is given up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, flight: Flight, order: Order) -> None:
        try:
            with order.opened.held() as store, ROOM.stream():
                if order.ask_first:
                    await (await order.ask("HEAD")).close()
                claim = await store.fetches.claim(order.name, order.query.reference)
                if claim is not None:
                    async with claim:
                        try:
                            await _fetch(flight, claim, order)
                        finally:
                            self._flights.pop(order.key, None)  # before the claim ends: who comes now looks again
        except NoAnswerError as error:
            flight.settle(error)
        except BodyError as error:
            _complain(order, flight, f"the body ended early ({error.reason})")
        except StoreError as error:
            self._keeper.met(error)
            metrics.unstored.labels(_cause(error)).inc()
            if isinstance(error, DigestMismatchError):
                self._suspects.add(flight.senders, order.query.reference)
            if isinstance(error, NoSpaceError):
                self._full_until = asyncio.get_running_loop().time() + FULL_SECONDS
            _complain(order, flight, error.message)
            flight.settle(Begun.UNSTORED)
        finally:
            self._flights.pop(order.key, None)
            flight.settle(Begun.LOOK)

    def _obstacle(self) -> str:
        """Why there can be no new flight now, as the metric `unstored` says it; "" when there can."""
        if asyncio.get_running_loop().time() < self._full_until:
            return "full"
        return "busy" if len(self._tasks) >= AT_MOST else ""


async def _fetch(flight: Flight, claim: Claim, order: Order) -> None:
    """Fill `claim`. Raises NoAnswerError, BodyError, StoreError."""
    written, total, trouble = 0, 0, BodyError("broken")
    for _ in range(PARTS):
        answer = await order.ask("GET", start=written)
        try:
            if written:
                if ranges.span(answer.status, answer.headers, answer.length) != Span(written, total - 1, total):
                    raise trouble
            elif answer.status != 200:
                raise _unasked(answer)
            elif answer.length is None or not order.has_room(answer.length):
                metrics.unstored.labels("length" if answer.length is None else "full").inc()
                flight.settle(Begun.UNSTORED)
                return
            elif not total:
                total = answer.length
                await claim.begin(total)
            flight.senders.append(answer.source)
            flight.settle(Begun.COMES)
            async for piece in answer.body:
                await claim.write(bytes(piece))
                written += len(piece)
            await claim.commit()
            return
        except BodyError as error:
            trouble = error
        finally:
            await answer.close()
    raise trouble


async def _followed(pieces: AsyncIterator[bytes | bytearray]) -> AsyncIterator[bytes | bytearray]:
    try:
        async for piece in pieces:
            yield piece
    except FetchFailedError:
        raise BodyError("fetch") from None
    except StoreError:
        raise BodyError("store") from None


def _unasked(answer: Answer) -> NoAnswerError:
    message = f"{answer.source} answered {answer.status} to a request for the whole"
    return NoAnswerError([SourceError(Reason.UPSTREAM_ERROR, message, host=answer.source, status=502)])


def _cause(error: StoreError) -> str:
    """`error` as the metric `unstored` says it."""
    if isinstance(error, NoSpaceError):
        return "full"
    return "digest" if isinstance(error, DigestMismatchError) else "error"


def _complain(order: Order, flight: Flight, reason: str) -> None:
    log.emit(
        "error",
        "fetch failed",
        repository=order.name,
        digest=order.query.reference,
        source=flight.source,
        reason=reason,
    )
