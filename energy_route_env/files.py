"""Writing files."""

from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file, in a folder made if need be, so that a kill leaves the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)
