"""What a successful run of a hook changes, in the platform's order (hook contract, section 7). No transaction."""

from collections.abc import Callable
from typing import Any

from . import kube_ops
from .cluster import Cluster
from .hook import Output
from .life import Life
from .metrics import Metrics
from .values import Values


def apply(
    output: Output,
    *,
    hook: str,
    module: str,
    metrics: Metrics,
    cluster: Cluster,
    values: Values,
    save_settings: Callable[[dict[str, Any]], None],
    life: Life,
) -> bool:
    """Metrics, objects, user settings, values. True when values changed. An error ends it there and then."""
    life.check()
    metrics.send(output.metrics, hook=hook, module=module)
    kube_ops.apply(output.operations, cluster=cluster, life=life)
    life.check()
    if output.config_patch:
        save_settings(values.patched_settings(output.config_patch))
    before = values.checksum()
    values.apply(output.values_patch)
    return values.checksum() != before
