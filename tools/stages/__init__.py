"""The stage table as a diagram, for people who read documents before code."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "hooks"))  # the pure core, as hooks import it
