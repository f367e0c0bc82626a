"""`python -m scanner_service` is the command `scanner-service`."""

import sys

from scanner_service.cli import main

sys.exit(main())
