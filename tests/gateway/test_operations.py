"""The processes: a worker that dies, a parent that is killed, an address in use, many clients, nothing left open."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path

from tests.gateway.material import Material
from tests.gateway.processes import USERS, alive, ask, children, descriptors
from tests.support.distribution import distribution
from tests.support.gateway import config, free_port, gateway, upstream, wait_until
from tests.support.images import build_image, push_image


def test_a_worker_that_dies_is_started_again(material: Material, folder: Path) -> None:
    with gateway(folder, material.files(config([], users=USERS))) as running:
        victim = children(running)[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: "worker died" in running.log.read_text(), what="death in the log", seconds=60)
        assert ask(running, material.client_context()).status == 200  # the other one serves meanwhile
        running.wait_for_version("v1")
        assert victim not in children(running)
        assert len(children(running)) == 2


def test_workers_go_when_their_parent_is_killed(material: Material, folder: Path) -> None:
    with gateway(folder, material.files(config([], users=USERS))) as running:
        workers = children(running)
        running.process.kill()
        running.process.wait()
        wait_until(lambda: not any(alive(pid) for pid in workers), what="end of the workers", seconds=60)


def test_an_address_in_use_is_told_and_tried_again(material: Material, folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        options = ["--listen", f"127.0.0.1:{taken.getsockname()[1]}"]
        with gateway(folder, material.files(config([], users=USERS)), options=options, wait=False) as running:
            wait_until(lambda: "Address already in use" in running.log.read_text(), what="complaint", seconds=60)
            assert running.get("/readyz")[0] == 503
            taken.close()
            running.wait_for_version("v1")


def test_many_clients_at_once_are_all_answered(material: Material, folder: Path) -> None:
    with gateway(folder, material.files(config([], users=USERS))) as running:
        statuses: list[int] = []
        context = material.client_context()

        def pull() -> None:
            for _ in range(20):
                statuses.append(ask(running, context).status)

        threads = [threading.Thread(target=pull) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 160
        assert running.metric("registry_access_inflight_streams") == 0


def test_nothing_stays_open_after_clients_that_leave_and_upstreams_that_fail(material: Material, folder: Path) -> None:
    image = build_image(folder / "layout", layers=[{"big": os.urandom(8_000_000)}])
    with distribution(folder / "registry", tls=material.server) as registry:
        push_image(image, address=registry.address, repository="deckhouse/ee", tag="v1", ca=material.ca.cert)
        dead = upstream(f"127.0.0.1:{free_port()}", ca=material.ca.cert)
        routes = [upstream(registry.address, ca=material.ca.cert), dead]
        with gateway(folder, material.files(config(routes, users=USERS))) as running:
            context, blob = material.client_context(), f"/v2/system/deckhouse/blobs/{image.layers[0]}"
            for _ in range(10):  # connections to the registry are kept: fill the pool first
                ask(running, context, blob).read()
            before = sum(descriptors(running))
            for _ in range(30):
                ask(running, context, blob).close()
                assert ask(running, context, "/v2/system/deckhouse/manifests/absent").status == 404
            wait_until(lambda: sum(descriptors(running)) <= before, what="release of descriptors", seconds=60)
            none_left = lambda: running.metric("registry_access_inflight_streams") == 0  # noqa: E731
            wait_until(none_left, what="end of the streams", seconds=60)


def test_a_malformed_request_is_not_repeated_in_the_log(material: Material, folder: Path) -> None:
    with gateway(folder, material.files(config([], users=USERS)), workers=1) as running:
        host, _, port = running.address.rpartition(":")
        plain = socket.create_connection((host, int(port)))
        with material.client_context().wrap_socket(plain, server_hostname="127.0.0.1") as client:
            client.sendall(b"GET /v2/ HTTP/1.1\r\nAuthorization : Basic s3cr3t-marker\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.")
        ask(running, material.client_context())
        wait_until(lambda: '"user:ro"' in running.log.read_text(), what="a line after it", seconds=60)
        assert "s3cr3t-marker" not in running.log.read_text()
