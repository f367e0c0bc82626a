"""`python -m scanner_client` is the command `scanner`."""

import sys

from scanner_client.cli import main

sys.exit(main())
