import pytest

from video2mp3.engine import Options
from video2mp3.errors import InvalidOption


def test_options_survive_as_plain_values() -> None:
    for options in (Options(), Options(bitrate_kbps=128, title="A talk"), Options(vbr_quality=0)):
        assert Options.from_dict(options.as_dict()) == options
    assert Options().as_dict() == {}


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"bitrate_kbps": 193}, "bitrate_kbps"),
        ({"bitrate_kbps": "192"}, "bitrate_kbps"),
        ({"bitrate_kbps": True}, "bitrate_kbps"),
        ({"bitrate_kbps": 192.0}, "bitrate_kbps"),
        ({"vbr_quality": 10}, "vbr_quality"),
        ({"vbr_quality": -1}, "vbr_quality"),
        ({"bitrate_kbps": 192, "vbr_quality": 2}, "bitrate_kbps"),
        ({"title": 5}, "title"),
        ({"title": "x" * 301}, "title"),
        ({"bitrate": 192}, "bitrate"),
    ],
)
def test_a_bad_option_is_named(values: dict[str, object], name: str) -> None:
    with pytest.raises(InvalidOption, match=name):
        Options.from_dict(values)
