"""The store with sources behind it: what it has is served, what it lacks is fetched, stored and served on the way.

Whom to ask for what is lacking is `chain`'s. In a cache, tags and lists are the upstream's word as long as it can be
had, and the store's with a Warning when not. A copy has the word itself.
"""

from __future__ import annotations

from registry_gateway import metrics, names
from registry_gateway.config import Upstream
from registry_gateway.config_store import Role, StoreConfig
from registry_gateway.sources import peer
from registry_gateway.sources.base import Answer, Query, Reason, Source, SourceError
from registry_gateway.sources.chain import Chain
from registry_gateway.sources.content import STORE
from registry_gateway.sources.flights import Begun, Flights, Order
from registry_gateway.sources.manifests import Fetched, Manifests
from registry_gateway.sources.ordered import Failed, NoAnswerError, first_answer
from registry_gateway.sources.room import Room
from registry_gateway.sources.stored import StoredSource
from registry_gateway.store.errors import StoreError
from registry_gateway.store.paths import ALGORITHMS
from registry_gateway.stores import Keeper
from registry_gateway.target import Kind

STALE = '110 - "Response is Stale"'  # RFC 9111 §5.5 has it as obsolete, RFC 7234 §5.5.1 says what it means
_TRIES = 10  # looks for a blob that others fetch and fail to; then the client hears of it
REFUSALS = (Reason.NOT_FOUND, Reason.UNAUTHORIZED, Reason.FORBIDDEN)  # words of a registry that is there


class Through:
    """A supply as above, of the repositories `alias` and below; what is under way is shared by all who are made."""

    def __init__(
        self,
        keeper: Keeper,
        flights: Flights,
        manifests: Manifests,
        *,
        settings: StoreConfig[Upstream],
        alias: str,
        chain: Chain,
    ) -> None:
        self._keeper, self._flights, self._manifests = keeper, flights, manifests
        self._alias, self._chain, self._routes = alias, chain, chain.routes
        self._stored, self._room = StoredSource(keeper, alias), Room(keeper.folder, settings)
        self._is_cache = settings.role is Role.CACHE

    async def answer(self, query: Query, failed: Failed | None = None) -> Answer:
        """See `ordered.Supply`."""
        failed = _but_for_missing(failed)
        if query.kind is Kind.BLOB:
            return await self._blob(query, failed)
        if query.kind is Kind.MANIFEST and self._chain.moves(query.reference):
            return await self._moving_tag(query, failed)
        if query.kind is Kind.MANIFEST:
            return await self._manifest(query, failed)
        if self._is_cache and self._routes:
            return await self._list(query, failed)
        return await self._pass(query, failed, await self._try_store(query))

    async def _blob(self, query: Query, failed: Failed) -> Answer:
        name = names.join(self._alias, query.rest) or ""
        for _ in range(_TRIES):
            found = await self._try_store(query)
            if isinstance(found, Answer):
                return found
            opened = self._keeper.opened
            if query.method == "HEAD" or opened is None or not self._may_store(query.reference):
                return await self._pass(query, failed, found)
            sources = self._chain.fetching(query.reference)
            if not sources:
                raise NoAnswerError([found])
            # A copy must not take back what was deleted from a repository because another one still has it.
            ask_first = not self._is_cache
            order = Order(opened, name, query, sources, self._room.has, ask_first=ask_first, failed=failed)
            flight = self._flights.join(order)
            if flight is None:
                return await self._pass(query, failed, found)
            try:
                begun = await flight.wait()
                coming = None
                if begun is not Begun.UNSTORED:
                    coming = await self._flights.follow(opened, query, source=flight.source)
            except NoAnswerError as error:
                raise self._chain.in_order(error, found) from None
            except SourceError as error:
                raise NoAnswerError([error]) from None
            except StoreError as error:
                self._keeper.met(error)
                return await self._pass(query, failed, found)
            if begun is Begun.UNSTORED:
                return await self._pass(query, failed, found)
            if coming is not None:
                return coming
        raise NoAnswerError([_given_up(query)])

    async def _manifest(self, query: Query, failed: Failed) -> Answer:
        """What cannot change, or is the store's to say: a digest, or a tag of a copy."""
        for _ in range(_TRIES):
            found = await self._try_store(query)
            if isinstance(found, Answer) or query.method == "HEAD":
                return await self._pass(query, failed, found)
            sources = self._chain.fetching(query.reference)
            if not sources:
                raise NoAnswerError([found])
            try:
                fetched = await self._manifests.fetch(
                    self._keeper.opened,
                    names.join(self._alias, query.rest) or "",
                    query,
                    sources,
                    # No tag is taken from a replica that happened to be asked: those come by push, fill and comparison.
                    believed=() if ":" in query.reference else self._routes,
                    keep=self._room.has(),
                    revive=self._is_cache,  # what was removed from a copy says nothing of what the registry has
                    failed=failed,
                )
            except NoAnswerError as error:
                raise self._chain.in_order(error, found) from None
            if fetched is not None:
                return _made(fetched, query)
        raise NoAnswerError([_given_up(query)])

    async def _moving_tag(self, query: Query, failed: Failed) -> Answer:
        """A tag of a cache: the routes say what it names."""
        opened = self._keeper.opened
        name = names.join(self._alias, query.rest) or ""
        try:
            for _ in range(_TRIES):
                fetched = None
                if query.method == "GET":
                    fetched = await self._manifests.fetch(
                        opened,
                        name,
                        query,
                        self._routes,
                        believed=self._routes,
                        keep=self._room.has(),
                        revive=True,
                        failed=failed,
                    )
                elif opened is None or not await self._manifests.is_right(
                    opened, name, query, self._routes, failed=failed
                ):
                    return await first_answer(self._routes, query, failed=failed)
                if fetched is not None:
                    return _made(fetched, query)
                found = await self._try_store(query)
                if isinstance(found, Answer):
                    return found
        except NoAnswerError as error:
            if error.best.reason in REFUSALS:
                if error.best.reason is Reason.NOT_FOUND and opened is not None:
                    await self._manifests.forget(opened, name, query.reference)
                raise
            return await self._stale(query, failed, error)
        raise NoAnswerError([_given_up(query)])

    async def _list(self, query: Query, failed: Failed) -> Answer:
        try:
            return await first_answer(self._routes, query, failed=failed)
        except NoAnswerError as error:
            if error.best.reason in REFUSALS:
                raise
            return await self._stale(query, failed, error)

    async def _stale(self, query: Query, failed: Failed, error: NoAnswerError) -> Answer:
        """What replicas remember while the upstream is away. Raises `error` when that is nothing."""
        found = await self._try_store(query)
        if isinstance(found, SourceError):
            try:
                found = await first_answer(self._chain.peers, query, failed=failed)
            except NoAnswerError:
                raise error from None
        metrics.stale.labels(query.kind.value).inc()
        found.headers = {**found.headers, "Warning": STALE}
        return found

    async def _try_store(self, query: Query) -> Answer | SourceError:
        try:
            return await self._stored.fetch(query)
        except SourceError as error:
            if error.status == 416:
                raise NoAnswerError([error]) from None
            return error

    async def _pass(self, query: Query, failed: Failed, found: Answer | SourceError) -> Answer:
        """`found`, else whatever is behind the store says, unstored."""
        if isinstance(found, Answer):
            return found
        sources = self._chain.fetching(query.reference) if query.method == "GET" else self._chain.plain
        try:
            return await first_answer(sources, query, failed=failed)
        except NoAnswerError as error:
            raise self._chain.in_order(error, found) from None

    def _may_store(self, digest: str) -> bool:
        """Whether what has `digest` can be kept, as far as can be known before it comes."""
        if digest.partition(":")[0] not in ALGORITHMS:
            return False
        if not self._room.has():
            metrics.unstored.labels("full").inc()
            return False
        return True


def _but_for_missing(failed: Failed | None) -> Failed:
    """`failed`, but for replicas that have not got what was asked for: nothing failed there."""

    def told(source: Source, error: SourceError) -> None:
        if failed and not (source.label.startswith(peer.LABEL) and error.reason is Reason.NOT_FOUND):
            failed(source, error)

    return told


def _made(fetched: Fetched, query: Query) -> Answer:
    try:
        return fetched.answer(query)
    except SourceError as error:  # a range of what is shorter
        raise NoAnswerError([error]) from None


def _given_up(query: Query) -> SourceError:
    message = f"{query.reference} is fetched again and again, and does not come; see the gateway's log"
    return SourceError(Reason.UPSTREAM_ERROR, message, host=STORE, status=502)
