"""registry-plan: what a ModuleConfig would do, why things are as they are, and the way back when Deckhouse is down."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "hooks"))  # the pure core, as hooks import it
