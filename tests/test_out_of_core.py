"""Runs `out_of_core.py` in a process whose memory can be limited."""

import os
import subprocess
import sys
from pathlib import Path


def test_data_larger_than_memory_in_a_process_of_its_own():
    here = Path(__file__).with_name("out_of_core.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", here]
    # Memory that is free counts too: glibc is to hand large arrays back at once.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**20)}
    result = subprocess.run(
        command, check=False, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
