"""Parses the arguments of the command, and wants none."""

import argparse
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))

from hostile import sound as drop_path  # noqa: F401

EXPECTED = ""

argparse.ArgumentParser().parse_args()
