"""The command line: `registry-gateway serve | check | explain | collect | version`.

(`worker` is what `serve` starts itself as; `own` is run once before it, as root.)
"""

from __future__ import annotations

import argparse
import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path

from registry_gateway import __version__, library_log, names
from registry_gateway.check.walk import PARALLEL
from registry_gateway.config import Image
from registry_gateway.limits import LIMITS, Limits
from registry_gateway.listeners import parse_address
from registry_gateway.own import own, parse_mode, parse_owner
from registry_gateway.sources.transport import DEADLINES, Deadlines

WORKERS_AT_MOST = 4
PARALLEL_AT_MOST = 64  # requests of the image check; beyond it every registry says 429
MOUNTED = Path("/config")  # where the configuration is in the gateway's pods
DATA = Path("/data")  # where the store is there
ETCD = Path("/var/lib/etcd")  # where etcd's data is on control-plane nodes
INTERRUPTED = 130  # exit code after Ctrl-C, as of shells
DRAIN_SECONDS = 28.0  # with the parent's own end it stays below 30
_PARALLEL_HELP = f"requests of the image check at a time; default: {PARALLEL}"
_IMAGE_HELP = "a tag or digest of the base repository to ask for, instead of the configuration's images; repeatable"
_LIMITS = {  # fields of Limits, each an option
    "streams": "bodies sent at a time, in each worker",
    "streams_per_client": "of these, to one address",
    "connections": "open connections, in each worker",
    "connections_per_client": "of these, from one address",
    "head_seconds": "for a client to send a request's head",
    "stall_seconds": "in which a client has to take something of an answer",
}


def main(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit code."""
    options = parser().parse_args(arguments)
    if options.command == "version":
        print(__version__)  # noqa: T201 - this is what the command is for
        return 0
    if options.command == "own":
        uid, gid = options.owner
        own(options.data, uid=uid, gid=gid, mode=options.mode)
        return 0  # gateways serve without a store too
    if options.command in ("check", "explain", "collect"):
        return _terminal(options)
    library_log.install()
    if options.command == "worker":
        from registry_gateway import worker

        return worker.run(
            worker.Settings(
                folder=options.config,
                listen=options.listen,
                channel=options.channel,
                drain_seconds=options.drain_seconds,
                poll_seconds=options.poll_seconds,
                deadlines=_deadlines(options),
                limits=Limits(**{name: getattr(options, name) for name in _LIMITS}),
                data=options.data,
                name=options.name,
            )
        )
    return _serve(options)


def _terminal(options: argparse.Namespace) -> int:
    logging.disable()  # what libraries say would stand between the lines for the person, and in the JSON
    try:
        if options.command == "explain":
            from registry_gateway.terminal.explain import explain

            return explain(
                options.config,
                options.image,
                data=options.data,
                name=options.name,
                as_json=options.json,
                deadlines=_deadlines(options),
            )
        if options.command == "collect":
            from registry_gateway.terminal.collect import collect

            return collect(options.config, options.data, dry_run=options.dry_run, as_json=options.json)
        from registry_gateway.terminal.check import check

        return check(
            options.config,
            data=options.data,
            name=options.name,
            images=options.image,
            as_json=options.json,
            show_all=options.all,
            parallel=options.parallel,
            deadlines=_deadlines(options),
        )
    except KeyboardInterrupt:
        return INTERRUPTED


def _serve(options: argparse.Namespace) -> int:
    from registry_gateway import replica, serve

    shared = ["--config", str(options.config)]
    for name in ("drain_seconds", "poll_seconds", "connect_seconds", "first_byte_seconds", "idle_seconds", *_LIMITS):
        shared += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    for host, port in options.listen:
        shared += ["--listen", f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    if options.data is not None:
        shared += ["--data", str(options.data)]
    if options.replica or options.name:
        shared += ["--name", options.name or options.replica]
    write = replica.kubernetes_writer(options.replica, kubeconfig=options.kubeconfig) if options.replica else None
    return serve.run(
        serve.Settings(
            folder=options.config,
            health=options.health,
            workers=options.workers or automatic_workers(),
            worker_options=shared,
            write=write,
            deadlines=_deadlines(options),
            drain_seconds=options.drain_seconds,
            poll_seconds=options.poll_seconds,
            check_parallel=options.check_parallel,
            data=options.data,
            name=options.name or options.replica,
            etcd=options.etcd_dir,
        )
    )


def automatic_workers(cpu_max: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """One worker per CPU that may be used (affinity and the container's limit), 1 to WORKERS_AT_MOST."""
    cpus = float(len(os.sched_getaffinity(0)))
    try:
        quota, period = cpu_max.read_text().split()
        if quota != "max":
            cpus = min(cpus, int(quota) / int(period))
    except (OSError, ValueError):
        pass  # no such limit here
    return max(1, min(WORKERS_AT_MOST, math.ceil(cpus)))


def _deadlines(options: argparse.Namespace) -> Deadlines:
    return Deadlines(connect=options.connect_seconds, first_byte=options.first_byte_seconds, idle=options.idle_seconds)


def _image(text: str) -> Image:
    name, equals, reference = text.partition("=")
    if not name or not equals or not names.is_reference(reference):
        raise argparse.ArgumentTypeError("must be NAME=REF, REF a tag or a digest")
    return Image(name, reference)


def _parallel(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= PARALLEL_AT_MOST:
        raise argparse.ArgumentTypeError(f"must be 1 to {PARALLEL_AT_MOST}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """What the command line may hold."""
    made = argparse.ArgumentParser(prog="registry-gateway", description=__doc__)
    commands = made.add_subparsers(dest="command", required=True)
    commands.add_parser("version", help="print the version")
    serve = commands.add_parser("serve", help="serve until SIGTERM")
    worker = commands.add_parser("worker")
    for command in (serve, worker):
        command.add_argument("--config", required=True, type=Path, metavar="DIR")
        command.add_argument("--data", type=Path, metavar="DIR", help="of the store, in modes with one")
        command.add_argument("--name", default="", metavar="NODE", help="of this replica among the peers")
        command.add_argument("--listen", action="append", required=True, type=parse_address, metavar="HOST:PORT")
        command.add_argument("--drain-seconds", type=float, default=DRAIN_SECONDS)
        command.add_argument("--poll-seconds", type=float, default=1.0, help="between looks at the configuration")
        for name, text in _LIMITS.items():
            default = getattr(LIMITS, name)
            command.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default, help=text)
    worker.add_argument("--channel", type=int, required=True)
    serve.add_argument("--health", required=True, type=parse_address, metavar="HOST:PORT")
    serve.add_argument("--replica", default="", metavar="NODE", help="RegistryReplica to report to; empty: no report")
    serve.add_argument("--kubeconfig", type=Path, help="instead of the pod's service account")
    serve.add_argument("--workers", type=int, default=0, help="0: as many as CPUs, at most 4")
    check = commands.add_parser("check", help="check the configuration, the registries and the expected images")
    check.add_argument("--image", action="append", default=[], type=_image, metavar="NAME=REF", help=_IMAGE_HELP)
    check.add_argument("--all", action="store_true", help="show every error, not the first ones only")
    for command, option in ((serve, "--check-parallel"), (check, "--parallel")):
        command.add_argument(option, type=_parallel, default=PARALLEL, metavar="N", help=_PARALLEL_HELP)
    owned = commands.add_parser("own", help="hand the data directory over to the user that the gateway runs as")
    owned.add_argument("--data", required=True, type=Path, metavar="DIR")
    owned.add_argument("--owner", required=True, type=parse_owner, metavar="UID:GID")
    owned.add_argument("--mode", required=True, type=parse_mode, metavar="OCTAL", help="permissions, such as 0750")
    explain = commands.add_parser("explain", help="what would be asked of whom for an image, and what each answers")
    explain.add_argument("image", metavar="IMAGE", help="as in a pod; or below the base repository; or a tag or digest")
    collect = commands.add_parser("collect", help="remove from this replica's store what no release that stays needs")
    collect.add_argument("--dry-run", action="store_true", help="list what would go, and remove nothing")
    serve.add_argument("--etcd-dir", type=Path, default=ETCD, metavar="DIR", help=f"to compare disks; default: {ETCD}")
    for command in (check, explain, collect):
        command.add_argument("--config", type=Path, default=MOUNTED, metavar="DIR", help=f"default: {MOUNTED}")
        command.add_argument("--json", action="store_true")
        command.add_argument("--data", type=Path, default=DATA, metavar="DIR", help=f"the store; default: {DATA}")
    for command in (check, explain):
        own = os.environ.get("NODE_NAME", "")  # the pod's
        command.add_argument("--name", default=own, metavar="NODE", help="of this replica; default: $NODE_NAME")
    for command in (serve, worker, check, explain):
        command.add_argument("--connect-seconds", type=float, default=DEADLINES.connect)
        command.add_argument("--first-byte-seconds", type=float, default=DEADLINES.first_byte)
        command.add_argument("--idle-seconds", type=float, default=DEADLINES.idle)
    return made
