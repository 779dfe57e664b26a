from tests.api.conftest import SignedIn
from tests.api.stored import NOTHING, VIDEO, finish, stored
from video2mp3.api.frame.services import Services

FILE = {"file": ("my talk.mp4", VIDEO, "video/mp4")}


def test_a_video_goes_up_and_comes_back_down(ada: SignedIn, services: Services) -> None:
    answer = ada.http.post("/upload_video", files=FILE)
    assert answer.status_code == 200
    assert list(answer.json()) == ["video_id"]
    assert stored(services) == {**NOTHING, "uploads": 1, "upload_chunks": 1, "jobs": 1, "objects": 1}
    video = ada.http.get(f"/download_video/{answer.json()['video_id']}")
    assert (video.status_code, video.content) == (200, VIDEO)
    assert video.headers["content-type"] == "application/octet-stream"
    assert video.headers["content-disposition"].startswith('attachment; filename="my talk.mp4"')
    assert video.headers["x-content-type-options"] == "nosniff"


def test_a_part_of_a_video_comes_down(ada: SignedIn) -> None:
    video_id = ada.http.post("/upload_video", files=FILE).json()["video_id"]
    part = ada.http.get(f"/download_video/{video_id}", headers={"Range": "bytes=4-10"})
    assert (part.status_code, part.content) == (206, VIDEO[4:11])


def test_the_tutorial_s_upload_and_download(ada: SignedIn, services: Services) -> None:
    answer = ada.http.post("/upload", files=FILE)
    assert answer.status_code == 200
    found = answer.json()
    assert (set(found), found["msg"]) == ({"msg", "video_fid", "mp3_fid"}, "success!")
    waiting = ada.http.get("/download", params={"fid": found["mp3_fid"]})
    assert (waiting.status_code, waiting.json()["code"]) == (409, "not_finished")
    mp3 = finish(services, found["mp3_fid"])
    done = ada.http.get("/download", params={"fid": found["mp3_fid"]})
    assert (done.status_code, done.content, done.headers["content-type"]) == (200, mp3, "audio/mpeg")
    assert ada.http.get(f"/download_video/{found['video_fid']}").content == VIDEO


def test_a_download_that_is_not_there(ada: SignedIn) -> None:
    assert ada.http.get("/download", params={"fid": "0" * 24}).status_code == 404
    assert ada.http.get("/download_video/5f8f8c44b54764421b7156c9").status_code == 404
    missing = ada.http.get("/download")
    assert (missing.status_code, missing.json()["code"]) == (422, "invalid_request")
