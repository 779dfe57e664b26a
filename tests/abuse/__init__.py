"""What one account, or a stranger, can do to the others: each case beside a second user, with and without its guard.

`make test` runs a short form of all, `make abuse` (TESTS_ABUSE=1) the whole, and after it the figures of
docs/reliability.md (`figures.py`, with the attackers of `attacks`). `test_controls.py` compares this table with the
files, and fails for one without a control.

| case | test | control: what is taken out |
|---|---|---|
| numbers at the edge of floating point end the heartbeat | `test_numbers.py` | the bounds; the guard of the beat |
| crafted heads of uploads | `test_heads.py` | the bounds, the limit of memory, the checks, the sandbox |
| 60 requests for one waveform | `test_waveforms.py` | the executor |
| many probes | `test_probes.py` | the executor |
| 30 PUTs before another user's clip | `test_priorities.py` | the fair order of jobs |
| long conversions in all slots | `test_long_conversions.py` | the spare slot |
| sources that drip | `test_dripping_sources.py` | transfers beside the slots; their shares; the room for who waits |
| uploads that drip | `test_dripping_uploads.py` | the least throughput |
| webhooks that never answer | `test_silent_webhooks.py` | the turns of notifications |
| email to strangers | `test_mail_relay.py` | verified addresses |
| addresses that no message can be composed to | `test_poisoned_addresses.py` | the check; the guard of each letter |
| strangers who come through a plain proxy | `test_proxies.py` | the look at the socket's owner |
| open modes of the data folder | `test_file_modes.py` | private files |
| uploads larger than the disk | `test_disk_space.py` | the look at the disk |
| more event streams than descriptors | `test_event_streams.py` | the limits of streams |
| silent connections that hold all descriptors | `test_descriptors.py` | the end of silence |
| downloads reset at once | `test_reset_downloads.py` | the regard for cancellations |
| two administrators shut each other out | `test_administrators.py` | the look whether one is left |
| invisible and look-alike names | `test_names.py` | the profile of names |
| exports that nobody reads | `test_exports.py` | the bound of open exports |
| flipped bits in stored objects | `test_flipped_bits.py` | the verification |
| two services on one host | `test_cookies.py` | cookies' own names |
| rows that cost nothing | `test_history.py` | trimming; the limit of uploads |
| one address layout for all files | `test_layouts.py` | the renewal of the zygote |
| endless responses of other servers | `test_endless_responses.py` | the bounds of responses |
| ten abuses by one account, measured | `test_figures.py` | the fair threads |
| a guard can be taken out at all | `test_service.py` | liveness |
"""
