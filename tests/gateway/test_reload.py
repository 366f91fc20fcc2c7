"""Hot reload in a real gateway process: configuration, certificates, authorities, and mistakes in each."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Iterator

import pytest

from tests.gateway.material import Material
from tests.gateway.processes import children
from tests.support.certs import issue, issue_node, make_ca
from tests.support.gateway import Gateway, config, gateway, wait_until

LOGIN = {"Authorization": "Basic cm86cm8tcGFzc3dvcmQ="}  # ro:ro-password
USERS = {"ro": "ro-password"}


@pytest.fixture(scope="module")
def process(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("reload"), material.files(config([], users=USERS))) as started:
        yield started


@pytest.fixture
def running(process: Gateway, material: Material) -> Gateway:
    """One process for all of these tests, each of which begins with a valid configuration, version v1."""
    process.secret.write(material.files(config([], users=USERS)))
    process.wait_for_version("v1")
    wait_until(lambda: not process.refuses(), what="acceptance", seconds=60, log=process.log)
    return process


def connect(running: Gateway, context: ssl.SSLContext) -> http.client.HTTPSConnection:
    host, _, port = running.address.rpartition(":")
    connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=30)
    connection.connect()
    return connection


def status(connection: http.client.HTTPSConnection, headers: dict[str, str] = LOGIN) -> int:
    connection.request("GET", "/v2/", headers=headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def serial(connection: http.client.HTTPSConnection) -> str:
    certificate = connection.sock.getpeercert()
    assert certificate
    return str(certificate["serialNumber"])


def test_a_new_configuration_is_in_force_in_every_worker(running: Gateway, material: Material) -> None:
    running.secret.write(material.files(config([], users={"ro": "changed"}, version="v2")))
    running.wait_for_version("v2")
    for _ in range(10):  # several connections reach both workers
        connection = connect(running, material.client_context())
        assert status(connection) == 401
        connection.close()


def test_a_broken_configuration_leaves_the_old_one_and_is_told(running: Gateway, material: Material) -> None:
    broken = json.loads(config([], users=USERS, version="v2"))
    broken["clients"]["users"][0]["sha256"] = "s3cr3t-marker"
    running.secret.write(material.files(json.dumps(broken)))
    running.wait_for_refusal()
    running.wait_for_version("v1")
    assert status(connect(running, material.client_context())) == 200
    wait_until(
        lambda: "clients.users[0].sha256: must be 64 hexadecimal digits" in running.log.read_text(),
        what="complaint in the log",
        seconds=60,
    )
    assert "s3cr3t-marker" not in running.log.read_text()


def test_a_configuration_refused_at_great_length_ends_no_worker(running: Gateway, material: Material) -> None:
    before = children(running)
    broken = json.loads(config([], users=USERS, version="v2"))
    broken["clients"]["users"] = [{**broken["clients"]["users"][0], "sha256": "none"}] * 3000
    running.secret.write(material.files(json.dumps(broken)))
    running.wait_for_refusal()
    running.secret.write(material.files(config([], users=USERS, version="v3")))
    running.wait_for_version("v3")
    assert children(running) == before


@pytest.mark.parametrize("name", ["tls_crt", "tls_key", "client_ca_crt", "ca_crt"])
def test_a_broken_certificate_leaves_all_that_was(running: Gateway, material: Material, name: str) -> None:
    running.secret.write(material.files(config([], users={"ro": "changed"}, version="v2"), **{name: "garbage"}))
    running.wait_for_refusal()
    running.wait_for_version("v1")
    assert status(connect(running, material.client_context())) == 200


def test_a_key_of_another_certificate_is_refused(running: Gateway, material: Material) -> None:
    running.secret.write(material.files(config([], users=USERS, version="v2"), tls_key=material.node.key))
    running.wait_for_refusal()
    assert status(connect(running, material.client_context())) == 200


def test_a_missing_file_is_refused(running: Gateway, material: Material) -> None:
    files = material.files(config([], users=USERS, version="v2"))
    del files["tls.key"]
    running.secret.write(files)
    running.wait_for_refusal()
    wait_until(lambda: "tls.key: is missing" in running.log.read_text(), what="complaint in the log", seconds=60)


def test_a_repaired_configuration_is_taken(running: Gateway, material: Material) -> None:
    running.secret.write(material.files("{"))
    running.wait_for_refusal()
    running.secret.write(material.files(config([], users=USERS, version="v3")))
    running.wait_for_version("v3")
    wait_until(lambda: not running.refuses(), what="acceptance", seconds=60)


def test_a_new_certificate_is_served_and_open_connections_stay(running: Gateway, material: Material) -> None:
    old = connect(running, material.client_context())
    renewed = issue(material.ca, ips=["127.0.0.1"])
    files = material.files(config([], users=USERS, version="v2"), tls_crt=renewed.cert, tls_key=renewed.key)
    running.secret.write(files)
    running.wait_for_version("v2")
    fresh = [connect(running, material.client_context()) for _ in range(10)]
    assert serial(old) not in {serial(connection) for connection in fresh}
    assert {status(connection) for connection in (old, *fresh)} == {200}


def test_a_new_client_authority_replaces_the_old_one(running: Gateway, material: Material) -> None:
    other = make_ca("kubernetes 2")
    node = issue_node(other, "worker-2")
    running.secret.write(material.files(config([], version="v2"), client_ca_crt=other.cert))
    running.wait_for_version("v2")
    assert status(connect(running, material.client_context(node)), {}) == 200
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        status(connect(running, material.client_context(material.node)), {})


def test_both_client_authorities_count_while_they_are_rotated(running: Gateway, material: Material) -> None:
    other = make_ca("kubernetes 2")
    both = material.client_ca.cert + other.cert
    running.secret.write(material.files(config([], version="v2"), client_ca_crt=both))
    running.wait_for_version("v2")
    for node in (material.node, issue_node(other, "worker-2")):
        assert status(connect(running, material.client_context(node)), {}) == 200


def test_no_connection_is_refused_while_certificates_change(running: Gateway, material: Material) -> None:
    failures: list[str] = []
    stop = threading.Event()

    def pull() -> None:
        context = material.client_context()
        while not stop.is_set():
            try:
                connection = connect(running, context)
                if status(connection) != 200:
                    failures.append("status")
                connection.close()
            except (OSError, http.client.HTTPException) as error:
                failures.append(repr(error))

    threads = [threading.Thread(target=pull) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(2, 8):
        renewed = issue(material.ca, ips=["127.0.0.1"])
        version = f"v{number}"
        files = material.files(config([], users=USERS, version=version), tls_crt=renewed.cert, tls_key=renewed.key)
        running.secret.write(files)
        running.wait_for_version(version)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_start_without_a_configuration_waits_for_one(
    material: Material, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with gateway(tmp_path_factory.mktemp("empty"), {}, wait=False) as started:
        wait_until(lambda: answers(started), what="health", seconds=60, log=started.log)
        code, body = started.get("/readyz")
        assert (code, "config.json: is missing" in body) == (503, True)
        assert started.get("/livez")[0] == 200
        started.secret.write(material.files(config([], users=USERS)))
        started.wait_for_version("v1")
        assert status(connect(started, material.client_context())) == 200


def answers(started: Gateway) -> bool:
    try:
        return "is missing" in started.get("/readyz")[1]
    except OSError:
        return False
