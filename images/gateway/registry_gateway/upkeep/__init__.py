"""What the parent process does with the store: room, fill, collection, scrub. See docs/internal/STORE.md.

`duties` starts the others; `versions` and `retention` decide and touch nothing.
"""
