"""What the libraries log, brought into our form, and without what they would say about the request at hand."""

from __future__ import annotations

import logging

from registry_gateway import log

_LIMIT = 120  # characters of a template's first line


class _Lines(logging.Handler):
    """Emits the unformatted template and the place of the exception: arguments and exceptions' texts may hold headers
    of a client or an address with a signature.
    """

    def emit(self, record: logging.LogRecord) -> None:
        template = str(record.msg).partition("\n")[0][:_LIMIT] if record.args or record.exc_info else record.name
        error = record.exc_info[1] if record.exc_info else None
        log.emit(
            record.levelname.lower(),
            "library",
            logger=record.name,
            template=template,
            error=log.where(error) if error is not None else None,
        )


def install() -> None:
    """Take over the root logger, from warnings up."""
    root = logging.getLogger()
    root.handlers[:] = [_Lines()]
    root.setLevel(logging.WARNING)
