"""unpack_libtorch.py WHEELS DEST: the few files of the PyTorch and CUDA runtime wheels that a CPU libtorch needs."""

import shutil
import sys
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

# libtorch_cpu.so of the CUDA build is linked against the last two; the CPU never calls them.
LIBRARIES = {"libtorch_cpu.so", "libc10.so", "libgomp.so.1", "libcudart.so.13", "libcupti.so.13"}


def place(name: PurePosixPath) -> PurePosixPath | None:
    """Where a wheel's file goes below DEST; None if it isn't wanted."""
    if name.name in LIBRARIES and name.parent.name == "lib":
        return PurePosixPath("lib", name.name)
    if name.parts[:2] == ("torch", "include") and ".." not in name.parts:
        return name.relative_to("torch")
    return None


def main(wheels: Path, dest: Path) -> None:
    missing = set(LIBRARIES)
    for wheel in sorted(wheels.glob("*.whl")):
        with ZipFile(wheel) as archive:
            for entry in archive.infolist():
                target = None if entry.is_dir() else place(PurePosixPath(entry.filename))
                if target is None:
                    continue
                path = dest / target
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, path.open("wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
                missing.discard(target.name)
    if missing:
        sys.exit(f"error: not in the wheels: {', '.join(sorted(missing))}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
