"""Runs the operator by hand: `python -m tests.platform.operator --kubeconfig FILE --module DIR [--global FILE]`."""

import argparse
import json
import signal
import threading
from pathlib import Path
from typing import Any

from . import Operator


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def main() -> None:
    """Parse the command line, run until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.platform.operator", description="the test module operator")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--module", type=Path, required=True, help="folder with module.yaml")
    parser.add_argument("--global", dest="global_values", type=Path, help="JSON file with the values section global")
    parser.add_argument("--injected", type=Path, help="JSON file with the section registry of a downloaded module")
    parser.add_argument("--webhook-address", default="127.0.0.1", help="IP under which the API server reaches us")
    parser.add_argument("--time-scale", type=float, default=1.0, help="factor for retry delays")
    arguments = parser.parse_args()
    operator = Operator(
        kubeconfig=arguments.kubeconfig,
        module_dir=arguments.module,
        injected=_json(arguments.injected) if arguments.injected else None,
        webhook_address=arguments.webhook_address,
        time_scale=arguments.time_scale,
        on_log=lambda line: print(line, flush=True),
    )
    if arguments.global_values:
        operator.set_global(_json(arguments.global_values))
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    try:
        operator.start()
        over.wait()
    finally:
        operator.stop()


if __name__ == "__main__":
    main()
