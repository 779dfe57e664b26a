import pytest

from video2mp3.jobs import messages


def test_a_message_made_here_is_understood_here() -> None:
    body = messages.make("0" * 32, video_fid="v", mp3_fid=None, username="Jürgen")
    assert messages.job_id_of(body) == "0" * 32


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"null", b"7", b"[]", b"{}", b'{"job_id": null}', b'{"job_id": ["0"]}', b"[" * 200_000]
    + [b'{"job_id": "%s"}' % job_id for job_id in (b"0" * 31, b"0" * 33, b"G" * 32, b"../../../etc/passwd")],
)
def test_what_is_no_message_of_ours_names_no_job(body: bytes) -> None:
    assert messages.job_id_of(body) is None
