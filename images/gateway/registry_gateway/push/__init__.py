"""The push side of the OCI distribution spec 1.1: what clients may change in the store of mode `Local`."""
