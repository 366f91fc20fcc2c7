"""Command line of the demo; exit code 0 only when everything held."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.demo.story import Story, StoryError
from tests.platform.assembly import Platform
from tests.platform.cluster import ClusterError

STEPS = (
    ("Direct: examples/direct.yaml is applied", "to_direct"),
    ("A pod on every node and skopeo as an in-cluster client pull from the virtual address", "everybody_pulls"),
    ("The password in the ModuleConfig is broken", "wrong_password"),
    ("It is repaired", "to_direct"),
    ("The registry is changed to another one (Bearer tokens)", "other_registry"),
)
END = ("Back to Unmanaged", "to_unmanaged")


def main() -> int:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="stay in mode Direct and keep all running until Ctrl-C")
    parser.add_argument("--dir", type=Path, help="where everything is kept, and stays for a look afterwards")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("demo: needs root: it makes network namespaces and runs containerd and kubelets", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    folder = arguments.dir or Path(tempfile.mkdtemp(prefix="registry-demo-", dir="/tmp"))
    began = time.monotonic()
    try:
        with Platform(folder, say=lambda text: print("   " + text, flush=True)) as platform:
            print(f"   the cluster is up after {time.monotonic() - began:.0f} s", flush=True)
            tell(platform, keep=arguments.keep)
    except KeyboardInterrupt:
        print("\ndemo: interrupted, everything is taken down")
        return 130
    except (StoryError, ClusterError, TimeoutError) as error:
        print(f"\ndemo: FAILED: {error}", file=sys.stderr)
        return 1
    finally:
        if not arguments.dir:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"\ndemo: everything held ({time.monotonic() - began:.0f} s)")
    return 0


def tell(platform: Platform, *, keep: bool) -> None:
    """All steps, with pulls running on every node throughout."""
    with platform.pulling() as pulls:
        story = Story(platform, pulls)
        for title, name in STEPS if keep else (*STEPS, END):
            story.step(title, getattr(story, name))
    print(f"\n{len(pulls.pulls)} pulls on {len(platform.cluster.nodes)} nodes, {len(pulls.failures)} failed")
    if keep:
        look_around(platform)
        threading.Event().wait()


def look_around(platform: Platform) -> None:
    """How to use what runs."""
    kubectl = f"tools/bin/kubectl --kubeconfig {platform.cluster.kubeconfig}"
    node = next(iter(platform.cluster.nodes.values()))
    print(
        f"""
It keeps running until Ctrl-C. Look around from another terminal, in this folder:
   {kubectl} get registry,registryreplicas,nodes,pods -A
   {kubectl} describe registry main
   {kubectl} get moduleconfig registry -o yaml        # edit it, and watch the status
   {" ".join(node.enter)} /var/lib/registry-route/registry-route show    # on node {node.name}
   operator's log: {platform.log}""",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
