"""Install what an environment's implementations need, by the very commands that users are shown.

``python tests/third_party/install.py zoo-timm``, in the environment itself; PIP_CONSTRAINT names the constraint file.
"""

from __future__ import annotations

import shlex
import subprocess
import sys

from droppath_audit.targets.known import known_systems

MODELS = ("timm", "transformers")
"""Known implementations whose packages the models of ``zoo-models`` come in; timm's bring torchvision."""


def main(environment: str) -> None:
    """Run every installation command of an environment once, in order."""
    name = environment.removeprefix("zoo-")
    commands = dict.fromkeys(
        command
        for system in known_systems().values()
        if (system.name in MODELS if name == "models" else system.environment == name)
        for command in system.install
    )
    for command in commands:
        sys.stdout.write(f"{command}\n")
        sys.stdout.flush()
        subprocess.run([sys.executable, "-m", *shlex.split(command)], check=True)


if __name__ == "__main__":
    main(sys.argv[1])
