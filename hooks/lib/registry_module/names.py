"""Names that are contracts: the fixed address, objects, annotations, stages' vocabulary."""

from __future__ import annotations

VIRTUAL_NAME = "registry.d8-system.svc"
VIRTUAL_HOST = VIRTUAL_NAME + ":5001"
ALIAS = "system/deckhouse"
VIRTUAL_BASE = VIRTUAL_HOST + "/" + ALIAS

NAMESPACE = "d8-system"
GATEWAY_PORT = 5001
GATEWAY_APP = "registry-gateway"
PLATFORM_SECRET = "deckhouse-registry"  # noqa: S105 - the name of a Secret, not a secret

API_VERSION = "registry.deckhouse.io/v1alpha1"
ANNOTATION_VERSION = "registry.deckhouse.io/route-version"
ANNOTATION_REPORT = "registry.deckhouse.io/route-report"
ANNOTATION_CONFIG = "registry.deckhouse.io/config-version"

UNMANAGED = "Unmanaged"
DIRECT = "Direct"
PROXY = "Proxy"
LOCAL = "Local"
MODES = (UNMANAGED, DIRECT, PROXY, LOCAL)

LICENSE_USER = "license-token"

MAX_NAMES = 10
"""How many names of nodes or pods a message or a fact carries (bounded facts)."""
MAX_IMAGE_ERRORS = 5
