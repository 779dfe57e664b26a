"""The engine: media in, MP3 out. It knows no job, HTTP or database."""

from video2mp3.engine.limits import Limits
from video2mp3.engine.options import Options, ResolvedOptions
from video2mp3.engine.parent.calls import convert, find_mp4_audio, inspect_stream, prepare, probe, waveform
from video2mp3.engine.parent.self_test import SelfTest, self_test
from video2mp3.engine.report import Chapter, Probe, Progress, Report, Segment, Track, Waveform
from video2mp3.engine.source import FileSource, Source

__all__ = [
    "Chapter",
    "FileSource",
    "Limits",
    "Options",
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
    "prepare",
    "probe",
    "self_test",
    "waveform",
]
