"""Stopping: what is being sent is sent to its end, within a limit, and readiness goes first."""

from __future__ import annotations

import http.client
import json
import os
import signal
from pathlib import Path

import pytest

from tests.gateway.material import Material
from tests.gateway.processes import USERS, ask, refused
from tests.support.distribution import Basic, distribution
from tests.support.gateway import config, gateway, upstream, wait_until
from tests.support.images import build_image, push_image


def test_what_is_being_sent_is_sent_to_the_end_when_stopped(material: Material, folder: Path) -> None:
    blob = os.urandom(24_000_000)
    image = build_image(folder / "layout", layers=[{"big": blob}])
    with distribution(folder / "registry", tls=material.server, auth=Basic({"u": "p"})) as registry:
        address = {"address": registry.address, "user": "u", "password": "p", "ca": material.ca.cert}
        push_image(image, repository="deckhouse/ee", tag="v1", **address)
        route = upstream(registry.address, user="u", password="p", ca=material.ca.cert)
        with gateway(folder, material.files(config([route], users=USERS)), workers=1) as running:
            answer = ask(running, material.client_context(), f"/v2/system/deckhouse/blobs/{image.layers[0]}")
            start = answer.read(100_000)
            running.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "stopping" in running.log.read_text(), what="stop", seconds=60)
            wait_until(lambda: refused(running), what="refusal of new connections", seconds=60)
            rest = answer.read()
            assert start + rest == image.blob(image.layers[0])
            assert running.process.wait(timeout=20) == 0


def test_a_client_that_never_reads_holds_a_stop_up_to_the_limit_only(material: Material, folder: Path) -> None:
    image = build_image(folder / "layout", layers=[{"big": os.urandom(24_000_000)}])
    with distribution(folder / "registry", tls=material.server) as registry:
        push_image(image, address=registry.address, repository="deckhouse/ee", tag="v1", ca=material.ca.cert)
        route = upstream(registry.address, ca=material.ca.cert)
        files, options = material.files(config([route], users=USERS)), ["--drain-seconds", "0.5"]
        with gateway(folder, files, workers=1, options=options) as running:
            answer = ask(running, material.client_context(), f"/v2/system/deckhouse/blobs/{image.layers[0]}")
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(timeout=20) == 0
            with pytest.raises((http.client.HTTPException, OSError)):
                answer.read()


def test_readiness_goes_first_when_stopped(material: Material, folder: Path) -> None:
    image = build_image(folder / "layout", layers=[{"big": os.urandom(24_000_000)}])
    with distribution(folder / "registry", tls=material.server) as registry:
        push_image(image, address=registry.address, repository="deckhouse/ee", tag="v1", ca=material.ca.cert)
        route = upstream(registry.address, ca=material.ca.cert)
        with gateway(folder, material.files(config([route], users=USERS)), workers=1) as running:
            answer = ask(running, material.client_context(), f"/v2/system/deckhouse/blobs/{image.layers[0]}")
            running.process.send_signal(signal.SIGTERM)
            wait_until(lambda: running.get("/readyz")[0] == 503, what="unreadiness", seconds=60)
            assert json.loads(running.get("/readyz")[1])["obstacles"][0] == "stopping"
            assert running.get("/livez")[0] == 200
            answer.read()
