"""Stand-in for bashible, the platform's node configurator: steps in order, helpers, flags, units."""

from .agent import NodeLike
from .bashible import Bashible
from .bundle import Bundle, render

__all__ = ["Bashible", "Bundle", "NodeLike", "render"]
