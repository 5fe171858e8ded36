"""Shared by all tests: stand-ins can be imported, and nothing stays open between tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
