"""What the module costs, measured side by side in one run: `python -m bench`. Ratios, because machines differ."""
