"""The engine: media in, MP3 out. It knows no job, HTTP or database.

Each name loads its module on first use, so the command line starts the zygote before it loads anything else.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from video2mp3.engine.chapters import Chapter
    from video2mp3.engine.limits import Limits
    from video2mp3.engine.options import Options, ResolvedOptions
    from video2mp3.engine.parent.calls import convert, find_mp4_audio, inspect_stream, plan_split, probe, waveform
    from video2mp3.engine.parent.self_test import SelfTest, self_test
    from video2mp3.engine.parent.zygote_client import prepare
    from video2mp3.engine.report import PlannedSegment, Probe, Progress, Report, Segment, Track, Waveform
    from video2mp3.engine.source import FileSource, Source

_NAMES = {
    "chapters": ("Chapter",),
    "limits": ("Limits",),
    "options": ("Options", "ResolvedOptions"),
    "parent.calls": ("convert", "find_mp4_audio", "inspect_stream", "plan_split", "probe", "waveform"),
    "parent.self_test": ("SelfTest", "self_test"),
    "parent.zygote_client": ("prepare",),
    "report": ("PlannedSegment", "Probe", "Progress", "Report", "Segment", "Track", "Waveform"),
    "source": ("FileSource", "Source"),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "Chapter",
    "FileSource",
    "Limits",
    "Options",
    "PlannedSegment",
    "Probe",
    "Progress",
    "Report",
    "ResolvedOptions",
    "Segment",
    "SelfTest",
    "Source",
    "Track",
    "Waveform",
    "convert",
    "find_mp4_audio",
    "inspect_stream",
    "plan_split",
    "prepare",
    "probe",
    "self_test",
    "waveform",
]

if not TYPE_CHECKING:  # a type checker would take every name for one of this package

    def __getattr__(name: str) -> Any:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        return value
