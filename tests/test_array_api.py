"""Runs `array_api.py` where SciPy was imported with its array API switched on."""

import os
import subprocess
import sys
from pathlib import Path


def test_other_namespaces_in_a_process_with_scipys_array_api():
    here = Path(__file__).with_name("array_api.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", here]
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    result = subprocess.run(
        command, check=False, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
