"""HEAD answers as GET does, without a body, on every route that has GET."""

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from tests.api.conftest import SignedIn, SignIn
from tests.api.stored import convert, finish
from tests.api.test_batches import made
from tests.api.test_links import link, token_of
from tests.api.test_waveforms import SOUND
from tests.api.test_webhooks import create
from video2mp3.accounts import links
from video2mp3.api.application import create_app
from video2mp3.api.frame.services import Services
from video2mp3.engine.mp3.id3 import id3_tag

# Of each answer, and of the way that a body is sent.
CHANGING = {"ratelimit", "x-request-id", "date", "transfer-encoding"}


def paths(services: Services) -> list[str]:
    """All that take GET, but for the sign-in link, which is good for one use, the page's files, and what never ends."""
    routes = iter_route_contexts(create_app(services).routes)
    found = {route.path or "" for route in routes if route.methods and "GET" in route.methods}
    return sorted(found - {"/sign-in", "/page/{path:path}", "/v1/conversions/events"})


def test_head_answers_as_get_does(root: SignedIn, services: Services) -> None:
    batch = made(root, 1)
    job_id = batch["conversions"][0]["id"]
    finish(services, job_id, SOUND)
    finish(services, with_cover := convert(root.http), id3_tag({}, cover=("image/png", b"a picture")))
    upload_id = root.http.get(f"/v1/conversions/{job_id}").json()["source"]["upload_id"]
    ids = {"conversion_id": job_id, "job_id": job_id, "upload_id": upload_id, "video_id": upload_id}
    ids |= {"batch_id": batch["id"], "webhook_id": create(root)["id"]}
    ids["user_id"] = root.user_id
    ids["token"] = token_of(link(root, job_id))
    with services.database.write() as session:
        unsubscribe = links.unsubscribe_path(session, root.user_id)
    given = {
        "/download": f"/download?fid={job_id}",
        "/v1/conversions/archive": f"/v1/conversions/archive?id={job_id}",
        "/v1/shared/{token}/cover": f"/v1/shared/{token_of(link(root, with_cover))}/cover",
        "/v1/unsubscribe": unsubscribe,
    }
    statuses = {}
    for path in paths(services):
        target = given.get(path, path.format(**ids))
        head, get = root.http.head(target), root.http.get(target)
        assert head.content == b""
        if path == "/v1/uploads/{upload_id}":
            # The protocol for resumable uploads gives this one a meaning of its own.
            assert head.headers["upload-offset"]
            continue
        # How long the oldest waits is told to the microsecond, and how much room there is to the byte.
        exact = ("/v1/admin/queue", "/v1/admin/storage")
        changing = CHANGING | ({"content-length"} if path in exact else set())
        changing |= {"content-security-policy"} if path in ("/docs", "/share/{token}") else set()  # it has a nonce
        expected, found = ({n: v for n, v in a.headers.items() if n not in changing} for a in (get, head))
        assert (head.status_code, found) == (get.status_code, expected), path
        statuses[path] = head.status_code
    assert set(statuses.values()) <= {200, 204}, statuses
    assert len(statuses) > 15


def test_head_on_a_stream_of_events_ends_at_once(ada: SignedIn) -> None:
    """It should not wait for the end of a conversion that is not even begun."""
    job_id = convert(ada.http)
    for path in (f"/v1/conversions/{job_id}/events", "/v1/conversions/events"):
        answer = ada.http.head(path, timeout=10)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("path", ["/nowhere", "/v1/conversions/" + "0" * 32])
def test_head_of_what_is_not_there(ada: SignedIn, path: str) -> None:
    answer = ada.http.head(path)
    assert (answer.status_code, answer.content) == (404, b"")


def test_head_where_there_is_no_get(client: httpx.Client) -> None:
    answer = client.head("/v1/sessions/refresh")
    assert answer.status_code == 405
    assert "HEAD" not in answer.headers["allow"]
    assert "HEAD" in client.post("/livez").headers["allow"]


def test_head_asks_who_it_is_as_get_does(client: httpx.Client, sign_in: SignIn) -> None:
    assert client.head("/v1/me").status_code == 401
    assert sign_in("ada").http.head("/v1/me").status_code == 200
