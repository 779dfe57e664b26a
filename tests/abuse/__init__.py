"""What one account, or a stranger, can do to the others: each case beside a second user, with and without its guard.

`make test` runs a short form of all, `make abuse` (VIDEO2MP3_ABUSE=1) the whole, and after it the figures of
docs/reliability.md (`figures.py`, with the attackers of `attacks`).

| case | test | control: what is taken out |
|---|---|---|
| guards can be taken out | `test_service.py` | liveness |
| ten abuses by one account | `test_figures.py` | fair threads |
| 60 requests for one long waveform | `test_waveforms.py` | the executor |
| many probes | `test_probes.py` | the executor |
| event streams beyond the descriptors | `test_event_streams.py` | the limits of connections and streams |
| numbers at their limits | `test_numbers.py` | the limits |
| flipped bits in stored objects | `test_flipped_bits.py` | the checksums |
| two administrators demote each other | `test_administrators.py` | the look whether one is left |
"""
