"""The waveforms of results, as rows: by the job and the number of the MP3 in its ZIP; 0: the result is one MP3."""

from collections.abc import Sequence

from sqlalchemy import delete
from sqlalchemy.orm import Session

from video2mp3 import engine
from video2mp3.database.statements import rows_changed
from video2mp3.database.tables import Waveform


def row(job_id: str, number: int, waveform: engine.Waveform) -> Waveform:
    """Returns the row of one waveform."""
    peaks = bytes(waveform.peaks)
    return Waveform(job_id=job_id, segment=number, step_s=waveform.step_s, duration_s=waveform.duration_s, peaks=peaks)


def delete_of(session: Session, job_ids: Sequence[str]) -> None:
    """Deletes the waveforms of jobs whose results are deleted: they take as much room as seconds of MP3."""
    rows_changed(session, delete(Waveform).where(Waveform.job_id.in_(job_ids)))
