"""`python -m tests.platform.cluster up|down [--dir DIR]`: a cluster for use by hand."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .cluster import Cluster
from .failure import ClusterError
from .plan import default_folder
from .teardown import teardown


def main() -> int:
    """Exit code 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m tests.platform.cluster", description=__doc__)
    parser.add_argument("action", choices=("up", "down"))
    parser.add_argument("--dir", type=Path, default=default_folder(), help="where it is kept (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        if arguments.action == "up":
            cluster = Cluster(arguments.dir, kept=True).start()
            print(f"export KUBECONFIG={cluster.kubeconfig}")
            for node in cluster.nodes.values():
                print(f"# shell of {node.name}: {' '.join(node.enter)} sh")
        else:
            teardown(arguments.dir.resolve())
    except ClusterError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
