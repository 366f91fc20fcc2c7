"""What `explain` found, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from registry_gateway.terminal.registries import identity_text

_ROLES = {
    "cache": "a cache: it is asked first, and keeps what registries answer",
    "copy": "the copy that is the registry: it is asked first",
    "spare": "of the mode before: it is asked for what registries do not have",
}


def text(found: Mapping[str, Any]) -> str:
    """Lines for a person; `found` is what `--json` would print."""
    image = found["image"]
    lines = [
        f"image       {image['given']}",
        f"repository  {image['repository']}",
        f"reference   {image['reference']}",
        f"may ask     {_clients(found['clients'])}",
        f"may push    {_pushers(found['push'])}",
    ]
    if refused := found["refused"]:
        return "\n".join([*lines, f"refused     {_told(refused)} (nobody is asked)"])
    if found["store"]:
        lines.append(f"store       {_stored(found['store'])}")
    if found["owner"]:
        lines.append(f"owner       {found['owner']} fetches it for all replicas")
    for number, source in enumerate(found["sources"], 1):
        lines += ["", *_source(number, source)]
    if error := found["clientError"]:
        lines += ["", f"clients get {_told(error)}"]
    if found["parts"]:
        lines += ["", *_parts(found["parts"])]
        lines.append("complete" if found["complete"] else "NOT complete")
    return "\n".join(lines)


def _clients(labels: Sequence[str]) -> str:
    """The labels of the access log in words."""
    words = []
    if "node:*" in labels:
        words.append("nodes by their certificate")
    for kind, one in (("user", "user"), ("upstream", "the registry's own user")):
        words += [f"{one} {label.partition(':')[2]}" for label in labels if label.startswith(f"{kind}:")]
    if "anonymous" in labels:
        words.append("anybody (from registries without a login)")
    else:
        words.append("nobody without a login" if words else "nobody")
    return ", ".join(words)


def _pushers(push: Mapping[str, Any]) -> str:
    who = ", ".join(f"user {label.partition(':')[2]}" for label in push["clients"]) or "nobody"
    return f"{who}: {push['message']}"


def _stored(store: Mapping[str, Any]) -> str:
    words = [_ROLES[store["role"]]]
    if store["error"]:
        words.append(f"it cannot be used: {store['error']}")
    elif store["age"] is not None:
        words.append(f"the tag is {store['digest']}, as of {store['age']} s ago")
    if store["asksAgain"]:
        words.append("registries are asked what the tag is")
    return "; ".join(words)


def _source(number: int, source: Mapping[str, Any]) -> Iterator[str]:
    if source["kind"] == "store":
        yield f"{number}. the store of this replica"
    elif source["kind"] == "peer":
        yield f"{number}. replica {source['id']}, {source['host']}, what its store has"
    else:
        use = "" if source["serves"] else ", only copied from" if source["fills"] else ", not for clients yet"
        yield f"{number}. {source['host']}, {identity_text(source)}{use}"
        yield f"   GET {source['url']}" if source["url"] else "   nothing to ask for: no repository has an empty name"
    words = [str(source["status"])] if source["status"] else []
    words += [source[key] for key in ("digest", "mediaType") if source[key]]
    words += [f"{source['size']} bytes"] if source["size"] is not None else []
    answer = ", ".join([*words, f"{source['seconds']:.3f} s"])
    yield f"   {answer}" + ("  <- clients get this" if source["chosen"] else "")
    if source["reason"]:
        yield f"   {source['reason']}: {source['message']}"


def _parts(parts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    rows = [
        (
            "  " * part["depth"] + part["role"],
            part["reference"],
            "" if part["size"] is None else str(part["size"]),
            f"{part['platform']} ".lstrip()
            + (f"{part['reason']}: {part['message']}" if part["reason"] else f"present, {part['source']}"),
        )
        for part in parts
    ]
    role, reference, size = (max(len(row[column]) for row in rows) for column in range(3))
    return (f"{row[0]:<{role}}  {row[1]:<{reference}}  {row[2]:>{size}}  {row[3]}".rstrip() for row in rows)


def _told(error: Mapping[str, Any]) -> str:
    return f"{error['status']} {error['code']}: {error['message']}"
