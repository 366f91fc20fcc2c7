"""Review without a cluster: run the module's hooks on dumped objects and print what would be rendered."""
