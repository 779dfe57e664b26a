"""Whatever a header or an option holds, it is read or refused with an error of ours: anything else would be a 500.

Others are elsewhere: forms in test_bad_requests, ranges and file names in test_downloads, frames in tests/engine/mp3.
"""

from contextlib import suppress
from dataclasses import fields
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from video2mp3.api.conversions.option_parsing import resolve
from video2mp3.api.conversions.requests import request_of_text
from video2mp3.api.server.forwarding import resolved
from video2mp3.api.server.hosts import HostRule
from video2mp3.api.uploads import tus
from video2mp3.engine import Options
from video2mp3.errors import InvalidOption, InvalidUploadHeader
from video2mp3.settings import load_settings

# A busy machine takes its time.
UNHURRIED = settings(deadline=None)
PROXIES = load_settings(trusted_proxies="10.0.0.0/8,fd00::/8").proxies
RULES = [HostRule(load_settings(**values)) for values in ({"host": "0.0.0.0"}, {"public_url": "https://a.example"})]

NAMES = st.sampled_from([option.name for option in fields(Options)]) | st.text(max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
# As a header comes from the wire: any bytes, read as Latin-1.
LINES = st.binary(max_size=120).map(lambda data: data.decode("latin-1"))
TUS_LINES = LINES | st.text(alphabet="filename bWQ=,+/ sha256md5\t", max_size=60)


@UNHURRIED
@given(st.dictionaries(NAMES, JSON, max_size=4))
def test_options_in_json_are_read_or_refused(options: dict[str, Any]) -> None:
    with suppress(InvalidOption):
        resolve(options)


@UNHURRIED
@given(st.dictionaries(NAMES, st.text(max_size=40) | st.integers().map(str) | st.floats().map(str), max_size=4))
def test_options_in_a_form_are_read_or_refused(options: dict[str, str]) -> None:
    with suppress(InvalidOption):
        resolve(request_of_text(options).options)


@UNHURRIED
@given(TUS_LINES)
def test_headers_of_resumable_uploads_are_read_or_refused(line: str) -> None:
    request = Request({"type": "http", "headers": [(b"upload-offset", line.encode("latin-1"))]})
    for read in (tus.name_in_metadata, tus.Checksum, lambda _line: tus.number(request, "Upload-Offset")):
        with suppress(InvalidUploadHeader):
            read(line)


@UNHURRIED
@given(LINES | st.text(alphabet="0123456789.,:[]abcdef% ", max_size=60), LINES)
def test_what_proxies_say_is_read_or_passed_over(line: str, proto: str) -> None:
    headers = [(b"x-forwarded-for", line.encode("latin-1")), (b"x-forwarded-proto", proto.encode("latin-1"))]
    scope: dict[str, Any] = {"type": "http", "scheme": "http", "client": ("10.0.0.1", 1), "headers": headers}
    found = resolved(scope, PROXIES)
    assert found["scheme"] in ("http", "https")
    assert found["client"][0]


@UNHURRIED
@given(LINES | st.text(alphabet="localhst.[]:127", max_size=30))
def test_any_host_is_allowed_or_refused(host: str) -> None:
    scope = {"type": "http", "path": "/", "headers": [(b"host", host.encode("latin-1"))]}
    anywhere, public = RULES
    assert anywhere.allows(scope)
    assert public.allows(scope) in (True, False)
