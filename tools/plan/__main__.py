"""Command line: plan, explain, rollback."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from lib.registry_module import explain, forecast, node_kinds, switch
from lib.registry_module import plan as planning
from tools.review import dump

from . import node_files, observe, rollback, text
from .errors import PlanError
from .kubectl import Kubectl

OK, BLOCKED, WRONG = 0, 1, 2


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="registry-plan", description=__doc__)
    commands = result.add_subparsers(dest="command", required=True)
    plan = commands.add_parser(
        "plan", help="what this ModuleConfig would do; exit code 1 when the switch would be stuck"
    )
    plan.add_argument("config", type=Path, help="ModuleConfig registry, for example examples/direct.yaml")
    why = commands.add_parser("explain", help="why something is as it is, and what is waited for")
    why.add_argument("what", choices=("node", "image", "stage"))
    why.add_argument("name", nargs="?", default="", help="of the node, the image's reference, or the stage")
    back = commands.add_parser("rollback", help="back to the first registry when Deckhouse is down")
    back.add_argument("--yes", action="store_true", help="write; without it only say what would be written")
    for command in (plan, why, back):
        command.add_argument("--kubeconfig", type=Path, help="of the cluster; by default kubectl's own")
        command.add_argument("--json", action="store_true", help="for machines")
    for command in (plan, why):
        command.add_argument("--facts", type=Path, help="folder of dumped objects instead of a cluster")
    return result


def main() -> int:
    arguments = parser().parse_args()
    try:
        return _COMMANDS[arguments.command](arguments)
    except (PlanError, dump.DumpError) as error:
        print(f"registry-plan: {error}", file=sys.stderr)
    except OSError as error:
        print(f"registry-plan: {error.filename}: {error.strerror}", file=sys.stderr)
    return WRONG


def _objects(arguments: argparse.Namespace) -> list[dump.Object]:
    return dump.load(arguments.facts) if arguments.facts else observe.read(Kubectl(arguments.kubeconfig))


def _plan(arguments: argparse.Namespace) -> int:
    try:
        config = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        raise PlanError(f"{arguments.config} is not YAML") from None
    if not isinstance(config, dict):
        raise PlanError(f"{arguments.config} holds no ModuleConfig")
    data = planned(observe.observe(_objects(arguments), config))
    _show(arguments, data, text.plan)
    return OK if data["ready"] else BLOCKED


def planned(seen: observe.Seen) -> dict[str, Any]:
    """The plan with what the node script would write: the document of `plan --json`."""
    plan = planning.plan(seen.inputs, seen.state)
    kinds = node_kinds.collect(seen.rows)
    data = plan.to_dict()
    if not seen.modules_known:
        data["notes"].append(
            "Not known here: which images modules have. Only those of Deckhouse itself are counted, and what kubelets "
            "prove by the pause image is left out (PullsProved)."
        )
    data["nodes"]["kinds"] = [kind.to_dict() for kind in kinds]
    changes = iter(node_files.changes(plan.routes, kinds))
    for step in data["steps"]:
        here = [file for change in step["changes"] if change["part"] == "nodes" for file in next(changes)]
        step["files"] = [file.to_dict() for file in here]
        if any(file.restarts_containerd for file in here):
            certain = any(kind.name == node_kinds.LEGACY for kind in kinds)
            word = "restarts" if certain else "restarts, if there are such nodes"
            which = f"containerd on nodes like {node_kinds.LEGACY}"
            step["restarts"].append(f"{which} {word}: it reads mirrors when it starts.")
    return data


def _explain(arguments: argparse.Namespace) -> int:
    seen = observe.observe(_objects(arguments))
    now = forecast.Moment(seen.inputs, switch.advance(seen.inputs, seen.state))
    if arguments.what == "stage":
        try:
            data = explain.stage(now, arguments.name)
        except KeyError:
            known = ", ".join(condition["type"] for condition in now.outcome.state.conditions)
            raise PlanError(f"there is no stage {arguments.name}; stages are {known}") from None
        _show(arguments, data, text.stage)
        return OK
    if not arguments.name:
        raise PlanError(f"explain {arguments.what} needs a name")
    if arguments.what == "node":
        _show(arguments, explain.node(now, observe.row_of(seen, arguments.name)), text.node)
    else:
        _show(arguments, explain.image(now, arguments.name), text.image)
    return OK


def _rollback(arguments: argparse.Namespace) -> int:
    cluster = Kubectl(arguments.kubeconfig)
    back = rollback.prepare(cluster)
    if arguments.yes:
        rollback.carry_out(cluster, back)
    _show(arguments, {**back.to_dict(), "written": arguments.yes}, lambda data: rollback.text(back, data["written"]))
    return OK


def _show(arguments: argparse.Namespace, data: dict[str, Any], words: Any) -> None:
    print(json.dumps(data, indent=2) + "\n" if arguments.json else text.printable(words(data)), end="")


_COMMANDS = {"plan": _plan, "explain": _explain, "rollback": _rollback}

if __name__ == "__main__":
    sys.exit(main())
