"""Programs in processes of their own."""

import os
import subprocess
import sys
import textwrap


def run(script, **variables):
    """Runs a script, which must end well; what it printed."""
    command = [sys.executable, "-c", textwrap.dedent(script)]
    environment = {**os.environ, **variables}
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    return result
