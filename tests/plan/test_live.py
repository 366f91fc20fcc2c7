"""A live cluster: read by kubectl, then the same functions as for a dump."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.operator.api_server import ApiServer
from tests.plan.command import ROOT, registry_plan
from tests.plan.conftest import objects, with_token
from tools.plan import observe, text
from tools.plan.__main__ import planned
from tools.plan.errors import PlanError
from tools.plan.kubectl import Kubectl


def test_live_cluster_gives_the_plan_of_its_dump(api: ApiServer) -> None:
    config = ROOT / "examples/direct.yaml"
    of_the_dump = text.plan(planned(observe.observe(objects(), yaml.safe_load(config.read_text()))))
    assert "Nodes touched: 5 of 5" in of_the_dump
    assert registry_plan("plan", config, "--kubeconfig", api.kubeconfig) == of_the_dump


def test_reading_writes_nothing(api: ApiServer) -> None:
    before = {item["metadata"]["uid"]: item["metadata"]["resourceVersion"] for item in observe.read(cluster(api))}
    registry_plan("explain", "stage", "--kubeconfig", api.kubeconfig)
    after = {item["metadata"]["uid"]: item["metadata"]["resourceVersion"] for item in observe.read(cluster(api))}
    assert before == after


def cluster(api: ApiServer) -> Kubectl:
    return Kubectl(api.kubeconfig)


def test_account_without_rights_is_a_clear_error(stranger: Path) -> None:
    said = registry_plan("plan", ROOT / "examples/direct.yaml", "--kubeconfig", stranger, code=2)
    assert said == "registry-plan: reading Node is not permitted: use an account that may get and list it\n"


def test_wrong_login_is_a_clear_error(api: ApiServer, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="does not accept the login of this kubeconfig"):
        observe.read(Kubectl(with_token(api, tmp_path, "unknown")))


def test_api_server_that_is_away_is_a_clear_error(api: ApiServer, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(api.kubeconfig.read_text().replace("https://127.0.0.1:", "https://127.0.0.1:1#"))
    path.write_text("\n".join(line.partition("#")[0] for line in path.read_text().splitlines()))
    with pytest.raises(PlanError, match="the API server does not answer"):
        observe.read(Kubectl(path))
