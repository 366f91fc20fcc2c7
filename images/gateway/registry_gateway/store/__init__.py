"""Content on this machine's disk: an OCI image layout per repository over shared blobs, and an index in SQLite.

Several processes work on one data directory at a time. Why it is built this way: docs/internal/STORE.md.
"""
