"""Replicas of mode `Local` that hold the same content: what one takes, a majority has before the client hears of it.

Why it is built this way: docs/internal/REPLICAS.md.
"""
