import pytest

pytestmark = pytest.mark.slow


def test_data_larger_than_memory_in_a_process_of_its_own(in_a_process_of_its_own):
    # Memory that is free counts too: glibc is to hand large arrays back at once.
    in_a_process_of_its_own("out_of_core.py", MALLOC_MMAP_THRESHOLD_=str(2**20))
