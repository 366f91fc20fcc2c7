"""When each stage is passed, in one sentence for people."""

from __future__ import annotations

MEANING = {
    "SettingsValid": "The settings have no mistake. Wrong ones change nothing: the last valid ones stay in force.",
    "RuntimeSupported": "All nodes run containerd, and the platform's own registry module is not there.",
    "GatewayReady": "Gateways on all Ready control-plane nodes have loaded their newest configuration.",
    "ImagesAvailable": "Every expected image is where the switch leads, asked for by each gateway.",
    "NodesPrepared": "Every Ready node has the new route beside the old one and has pulled by it.",
    "PullsProved": "The kubelet of every Ready node has pulled by the address with the platform's new login.",
    "PlatformSwitched": "Deckhouse has taken over the registry in its Secret and is Ready with it.",
    "Drained": "On the way to Unmanaged: no pod uses the fixed address any more.",
    "NodesFinalized": "Every Ready node has the new route alone, or none on the way to Unmanaged.",
    "Ready": "The switch is done.",
}
