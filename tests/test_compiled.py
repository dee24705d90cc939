"""Compiled loops: what is kept on disk."""

from pathlib import Path

import pytest

from energy_route_env.core.compiled import compiled

numba = pytest.importorskip("numba")


def one_more(x: int) -> int:
    """Stand for a loop."""
    return x + 1


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="numba is switched off")
@pytest.mark.parametrize("left", [0, 20])
@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_a_file_of_machine_code_that_is_cut_short_is_made_anew(
    kind: str, left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    make = compiled.__wrapped__  # one that forgets what it made before, as a new process does
    assert make(one_more)(1) == 2
    (file,) = tmp_path.rglob(f"*.{kind}")
    whole = file.read_bytes()
    file.write_bytes(whole[:left])
    with pytest.warns(UserWarning, match=r"machine code in .* is broken \(.*\): it is compiled again"):
        assert make(one_more)(1) == 2
    assert len(file.read_bytes()) == len(whole)
    assert make(one_more)(1) == 2
