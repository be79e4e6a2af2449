"""Installs into the running environment what building and testing need, and a link to the packages in this checkout.

The list is a group of `[dependency-groups]` in pyproject.toml: dev, or the one that is named as an argument.  The packages
themselves are not installed but found through a .pth file, so that a build in place is all that a changed source needs.
A second argument is a folder for the group alone, which a program finds where its PYTHONPATH says so.
"""

import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(group: str = "dev", folder: str = "") -> None:
    """Runs pip and writes the .pth file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["dependency-groups"][group]
    where = ["--no-deps", "--target", folder] if folder else []
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, *where, *packages], check=True)
    if folder:
        return
    pth = Path(sysconfig.get_path("purelib")) / "cubind-checkout.pth"
    pth.write_text(f"{ROOT / 'bindings'}\n{ROOT}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
