"""`python -m registry_gateway`."""

import sys

from registry_gateway.cli import main

sys.exit(main(sys.argv[1:]))
