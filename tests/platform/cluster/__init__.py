"""A real Kubernetes on one machine: etcd, API server, controllers, and nodes with namespaces of their own.

with Cluster(folder) as cluster:
    cluster.kubectl("get", "nodes")
    cluster.node("w1").run(["crictl", "images"])
"""

from .cluster import Cluster
from .failure import ClusterError
from .machine import Machine
from .node import Node
from .plan import DEFAULT_NODES, THREE_MASTERS, NodeSpec

__all__ = ["DEFAULT_NODES", "THREE_MASTERS", "Cluster", "ClusterError", "Machine", "Node", "NodeSpec"]
