"""Fixtures: one API server for the session, a module and operators of its own for each test."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.operator.api_server import ApiServer, api_server
from tests.operator.demo import Demo
from tests.operator.waiting import Start, wait_for
from tests.platform.operator import Killed, Operator, definitions, webhook
from tests.platform.operator.cluster import ApiError
from tests.platform.operator.life import Life

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The API server of this session."""
    with api_server(tmp_path_factory.mktemp("api")) as server:
        definitions.install(definitions.PLATFORM_CRDS, cluster=server.cluster, life=Life())
        yield server


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    """A module no other test uses."""
    return Demo(tmp_path / "module", f"demo-{next(_numbers)}")


@pytest.fixture
def start(api: ApiServer, demo: Demo) -> Iterator[Start]:
    """Start operators for the test's module; they are killed afterwards."""
    made: list[Operator] = []

    def make(*, on_made: Callable[[Operator], None] = lambda _: None, **options: Any) -> Operator:
        operator = Operator(kubeconfig=api.kubeconfig, module_dir=demo.folder, **{"time_scale": 0.02, **options})
        made.append(operator)
        on_made(operator)
        with suppress(Killed):  # by a callback of the test, before start() is through
            operator.start()
        return operator

    yield make
    for operator in made:
        operator.kill()
    api.delete_if_there("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "", webhook.NAME)
    wait_for(lambda: _accepts(api, demo), what="the API server to forget the webhook")


def _accepts(api: ApiServer, demo: Demo) -> bool:
    try:
        api.create(demo.config(), dry_run=True)
    except ApiError as error:
        return error.status == 409
    return True
