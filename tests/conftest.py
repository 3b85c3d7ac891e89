from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    # One for the session: nothing lands in the user's cache, and the embedded eyes are drawn once for all tests.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETINASYNTH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
