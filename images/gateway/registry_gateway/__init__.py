"""The registry gateway: one fixed address in the cluster, answered from an ordered list of sources."""

__version__ = "0.1.0"
