"""Where answers come from. `base` says what a source is, `ordered` asks several, the others are kinds of sources."""
