"""The pure core of the `registry` module: settings, facts and state in, desired state and conditions out. No I/O."""
