"""The waveforms of results, as rows: by the job and the number of the MP3 in its ZIP; 0: the result is one MP3."""

from video2mp3 import engine
from video2mp3.database.tables import Waveform


def row(job_id: str, number: int, waveform: engine.Waveform) -> Waveform:
    """Returns the row of one waveform."""
    peaks = bytes(waveform.peaks)
    return Waveform(job_id=job_id, part=number, step_s=waveform.step_s, duration_s=waveform.duration_s, peaks=peaks)
