"""Parameters of a request that pushes. They are decoded: clients encode the digest's colon."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from registry_gateway import names
from registry_gateway.links import QUERY_LIMIT
from registry_gateway.oci import Code, OciError
from registry_gateway.store.errors import InvalidNameError
from registry_gateway.store.paths import split

PARAMETERS_LIMIT = 16

Parameters = Mapping[str, str]


def parameters(raw_path: str) -> Parameters:
    """The parameters, each once. Raises OciError (400) when there are too many or they are too long."""
    query = raw_path.partition("?")[2]
    if len(query) > QUERY_LIMIT:
        raise OciError(400, Code.UNSUPPORTED, f"the query is longer than {QUERY_LIMIT} characters")
    try:
        return dict(parse_qsl(query, keep_blank_values=True, max_num_fields=PARAMETERS_LIMIT))
    except ValueError:
        raise OciError(400, Code.UNSUPPORTED, "the query has too many parameters") from None


def digest(text: str, *, parameter: str) -> str:
    """`text`, a digest that the store can hold. Raises OciError (400)."""
    if not names.is_digest(text):
        raise OciError(400, Code.DIGEST_INVALID, f"{parameter}: must be a digest, ALGORITHM:HEX")
    try:
        split(text)
    except InvalidNameError as error:
        raise OciError(400, Code.DIGEST_INVALID, f"{parameter}: {error.message}") from None
    return text
