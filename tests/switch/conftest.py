"""One API server for the session, with followers in the place of kubelets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.operator.api_server import api_server
from tests.platform import bundle
from tests.platform.operator import definitions
from tests.platform.operator.life import Life
from tests.switch.site import Site, populate


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with api_server(tmp_path_factory.mktemp("switch-api")) as api:
        for crds in (definitions.PLATFORM_CRDS, bundle.ROOT / "crds"):
            definitions.install(crds, cluster=api.cluster, life=Life())
        populate(api)
        folder = tmp_path_factory.mktemp("switch")
        made = Site(api, bundle.make(folder / "module"), folder / "operator.log")
        made.followers.follow_deckhouse()
        made.followers.start()
        yield made
        made.followers.stop()
        if made.operator is not None:
            made.operator.kill()
