"""`python -m envstream` is the command `envstream`."""

from __future__ import annotations

import sys

from envstream.cli import main

if __name__ == "__main__":
    sys.exit(main())
