"""Words of kubelets and containerd, fit for objects that everybody may read. Nodes do the same (node/lib/text.sh)."""

from __future__ import annotations

import re

from .node_facts import one_line

_OUT = (
    (re.compile(r'//[^/@ "]*@'), "//"),  # credentials in an address
    (re.compile(r'\?[A-Za-z][^ "\\]*'), ""),  # a query, which may be signed
    (re.compile(r"(Basic|Bearer) [A-Za-z0-9+/=._~-]+"), r"\1 ***"),
    (re.compile(r"[0-9A-Fa-f.:]+:[0-9]+->"), ""),  # the sender's port: another one at each try
)


def without_secrets(text: str) -> str:
    """One line of bounded length without credentials, signed queries and ports of senders.

    >>> without_secrets('Get "https://me:pw@a.example/v2/?X-Amz-Signature=ab": dial tcp 10.0.0.5:40001->10.0.0.6:443')
    'Get "https://a.example/v2/": dial tcp 10.0.0.6:443'
    """
    for pattern, instead in _OUT:
        text = pattern.sub(instead, text)
    return one_line(text)
