import pytest

pytestmark = pytest.mark.slow


def test_other_namespaces_with_scipys_array_api_switched_on(in_a_process_of_its_own):
    in_a_process_of_its_own("array_api.py", SCIPY_ARRAY_API="1")
