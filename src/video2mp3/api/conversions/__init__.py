"""Conversions: submitting and following them, their results, links and waveforms."""
