"""What every process of a selftest needs, imported once and inherited by forking; imported for that effect alone."""

from __future__ import annotations

import hypothesis  # noqa: F401
import scipy.stats  # noqa: F401
import torch  # noqa: F401

import droppath_audit.engine
import droppath_audit.selftest.examination
import droppath_audit.targets.adapters.pytorch
import droppath_audit.worker  # noqa: F401
from droppath_audit.checks import catalogue
from droppath_audit.mutants import mutants
from droppath_audit.sound import sound_variants

catalogue()
mutants()
sound_variants()
