"""The list of repositories (`/v2/_catalog`; Docker's, not the spec's), in pages like lists of tags."""

from __future__ import annotations

from aiohttp import web

from registry_gateway import names
from registry_gateway.oci import Code, OciError
from registry_gateway.push.request import Push

PAGE = 1000  # names, unless the client wants fewer


class Catalog:
    """The repositories below `alias`."""

    def __init__(self, *, alias: str) -> None:
        self._alias = alias

    async def list(self, push: Push) -> web.Response:
        """A page of their names. Raises OciError (400), StoreError."""
        asked = push.parameters()
        size, last = asked.get("n", str(PAGE)), asked.get("last", "")
        if not (size.isascii() and size.isdigit()):
            raise OciError(400, Code.UNSUPPORTED, "n: must be a number")
        known = await push.store.contents.repositories(after=last)
        found = [name for name in known if names.below(self._alias, name) is not None]
        page = found[: min(int(size), PAGE)]
        answer = web.json_response({"repositories": page})
        if page and len(page) < len(found):
            answer.headers["Link"] = f'</v2/_catalog?n={len(page)}&last={page[-1]}>; rel="next"'
        return answer
