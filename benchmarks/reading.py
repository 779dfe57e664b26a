"""How much of a large local video is read: from the disk (the page cache was empty of it), and by the processes."""

import ctypes
import mmap
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import av

from benchmarks.contenders import Command
from benchmarks.measure import family

_PAGE_BYTES = mmap.PAGESIZE
_LOOK_EVERY_S = 0.05
Read = dict[str, float]
"""Bytes by name."""


def reading(source: Path, contenders: Mapping[str, Command]) -> dict[str, Read]:
    """Returns what each reads of a file; under `the file`, its size and, by its index, its audio's."""
    found: dict[str, Read] = {"the file": _sizes(source)}
    print(f"\nReading ({source.name})", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for who, command in contenders.items():
            with source.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                read_bytes = _read_by(command(source, Path(folder, "out.mp3")))
                found[who] = {"read_bytes": read_bytes, "cached_bytes": _cached_bytes(file.fileno())}
    for line in lines(found):
        print(f"  {line}", flush=True)
    return found


def lines(found: Mapping[str, Read]) -> Iterator[str]:
    """Yields a paragraph and a table in Markdown."""
    sizes = {name: size / 1e6 for name, size in found["the file"].items()}
    yield f"The file has {sizes['size_bytes']:.0f} MB; nothing of it is in memory at the start."
    if sizes["audio_bytes"]:
        yield f"{sizes['audio_bytes']:.1f} MB are audio, in pages of {sizes['audio_pages_bytes']:.1f} MB."
    yield ""
    yield "| | read by processes | read from the disk |"
    yield "|---|--:|--:|"
    for who, read in found.items():
        if who != "the file":
            yield f"| {who} | {read['read_bytes'] / 1e6:.1f} MB | {read['cached_bytes'] / 1e6:.1f} MB |"


def _sizes(path: Path) -> Read:
    pages, audio_bytes = set[int](), 0
    with av.open(str(path)) as container:
        for entry in container.streams.audio[0].index_entries:
            audio_bytes += entry.size
            pages.update(range(entry.pos // _PAGE_BYTES, (entry.pos + entry.size - 1) // _PAGE_BYTES + 1))
    return {
        "size_bytes": path.stat().st_size,
        "audio_bytes": audio_bytes,
        "audio_pages_bytes": len(pages) * _PAGE_BYTES,
    }


def _read_by(command: list[str]) -> int:
    """Runs it, and returns what its processes read, from the disk or not (`rchar` of proc(5))."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    read: dict[int, int] = {}
    while True:
        for pid in family(process.pid):
            read[pid] = max(read.get(pid, 0), _rchar(pid))
        try:
            code = process.wait(_LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            continue
        if code:
            raise subprocess.CalledProcessError(code, command)
        return sum(read.values())


def _rchar(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/io").read_text().split()[1])
    except OSError:  # it has just ended
        return 0


def _cached_bytes(descriptor: int) -> int:
    """Returns how much of a file is in the page cache (mincore(2))."""
    size = os.fstat(descriptor).st_size
    pages = -(-size // _PAGE_BYTES)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long)
    address = ctypes.c_void_p(libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0))
    resident = (ctypes.c_ubyte * pages)()
    try:
        if libc.mincore(address, ctypes.c_size_t(size), resident):
            raise OSError(ctypes.get_errno(), "mincore")
    finally:
        libc.munmap(address, ctypes.c_size_t(size))
    return sum(page & 1 for page in resident) * _PAGE_BYTES
