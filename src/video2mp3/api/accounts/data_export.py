"""Data export: everything that the service stores for an account, as a ZIP of JSON and files."""

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import IO, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from video2mp3.accounts import api_keys, audit, sign_ins
from video2mp3.api.accounts.api_keys import ApiKeyJSON
from video2mp3.api.accounts.open_exports import OpenExports
from video2mp3.api.accounts.routes import account_json
from video2mp3.api.accounts.sessions import NO_STORE, represent
from video2mp3.api.auth.identity import CurrentUser, Principal, require_user
from video2mp3.api.conversions.archives import ZIP_RESPONSES
from video2mp3.api.conversions.representations import ConversionJSON
from video2mp3.api.fairness.fair_executor import FairExecutor
from video2mp3.api.fairness.transfers import iterate
from video2mp3.api.frame.schemas import moment, moment_or_none
from video2mp3.api.frame.services import CurrentServices, Services
from video2mp3.api.uploads.representations import UploadJSON
from video2mp3.api.webhooks.routes import WebhookJSON
from video2mp3.database.tables import Batch, Job, Upload
from video2mp3.jobs import lifecycle
from video2mp3.jobs.results import StoredResult, result_suffix
from video2mp3.outbox import webhooks
from video2mp3.storage.attachment import attachment
from video2mp3.storage.scratch import check_free_disk
from video2mp3.storage.zips import Member, zip_stream
from video2mp3.uploads import UploadSource

router = APIRouter(tags=["accounts"])

_PAGE = 200
_PIECE_SIZE_BYTES = 256 * 1024
_MOST_SESSIONS = 10_000
_PATIENCE_S = 300.0
"""Longest time for which a request waits for its export; then the export is discarded."""


@router.get("/v1/me/export", response_class=Response, responses=ZIP_RESPONSES)
async def export_own_account(request: Request, principal: CurrentUser, services: CurrentServices) -> Response:
    """Returns everything that the service stores for the account, as a ZIP: `account.json`, and the files by their ids.

    It contains no secrets: no password, token or key, and no hash of one.
    """
    executor: FairExecutor = request.app.state.exports
    opened: OpenExports = request.app.state.open_exports
    with ExitStack() as stack:
        stack.enter_context(opened.one_more(principal.user_id))
        work = partial(_gather, services, principal)
        facts, members = await executor.run(request, principal.user_id, work, patience_s=_PATIENCE_S)
        stack.enter_context(facts)
        return _Export(members, stack.pop_all())


def new_executor() -> FairExecutor:
    """Returns the executor that collects exports, which takes a while for an account with a long history."""
    return FairExecutor("exports", threads=2, per_user_queue=2, queue=100)


class _Export(StreamingResponse):
    """A ZIP that keeps its files open until it is sent or the client disconnects."""

    def __init__(self, members: list[Member], held: ExitStack) -> None:
        headers = {"Content-Disposition": attachment("video2mp3-export.zip"), **NO_STORE}
        super().__init__(iterate(zip_stream(members)), headers=headers, media_type="application/zip")
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the ZIP."""
        with self._held:
            await super().__call__(scope, receive, send)


def _gather(services: Services, principal: Principal) -> tuple[IO[bytes], list[Member]]:
    """Returns the file with `account.json`, which the caller closes, and the members of the ZIP."""
    with services.database.write() as session:
        audit.record(session, "account.exported", by=principal.user_id)
    check_free_disk(services.storage.scratch_folder, services.settings.min_free_disk_bytes)
    # Unlinked at once, but it uses disk space until it is closed. So an account has only one: see `OpenExports`.
    facts = tempfile.TemporaryFile(dir=services.storage.scratch_folder)  # noqa: SIM115
    try:
        with services.database.read() as session:
            for piece in _facts(session, principal):
                facts.write(piece.encode())
            members = [_member("account.json", facts.tell(), partial(_read, facts))]
            return facts, members + list(_files(session, principal.user_id, services))
    except BaseException:
        facts.close()
        raise


def _facts(session: Session, principal: Principal) -> Iterator[str]:
    """Yields one JSON object, piece by piece: an account may have any number of conversions."""
    user_id = principal.user_id
    user = require_user(session, principal)
    sessions = sign_ins.list_page(session, user_id, before_id=None, limit=_MOST_SESSIONS)
    yield f'{{"account": {account_json(user).model_dump_json()}'
    yield from _list("sessions", (represent(one, principal) for one in sessions))
    yield from _list("api_keys", (ApiKeyJSON.of(key) for key in api_keys.find_all(session, user_id)))
    yield from _list("webhooks", (WebhookJSON.of(one) for one in webhooks.find_all(session, user_id)))
    yield from _list("batches", (_batch(one) for one in session.scalars(select(Batch).where(Batch.user_id == user_id))))
    yield from _list("uploads", (UploadJSON.of(one) for one in _uploads(session, user_id)))
    yield from _list("conversions", (_conversion(job) for job in _jobs(session, user_id)))
    yield from _list("audit", (_entry(one, user_id) for one in audit.of_user(session, user_id)))
    yield "}\n"


def _list(name: str, items: Iterator[Any]) -> Iterator[str]:
    yield f',\n"{name}": ['
    for number, item in enumerate(items):
        yield ",\n" if number else "\n"
        yield item.model_dump_json() if isinstance(item, BaseModel) else json.dumps(item, ensure_ascii=False)
    yield "]"


def _conversion(job: Job) -> dict[str, Any]:
    return {**ConversionJSON.of(job).model_dump(mode="json", exclude={"links"}), "report": job.report}


def _batch(batch: Batch) -> dict[str, Any]:
    ended_at = moment_or_none(batch.ended_at)
    return {
        "id": batch.id,
        "tag": batch.tag,
        "created_at": moment(batch.created_at).isoformat(),
        "ended_at": ended_at and ended_at.isoformat(),
    }


def _entry(entry: Any, user_id: str) -> dict[str, Any]:
    by_self = entry.user_id == user_id
    # Without the identity and the address of an administrator who acted on the account.
    return {
        "at": moment(entry.at).isoformat(),
        "action": entry.action,
        "detail": entry.detail,
        "by": "account" if by_self else "somebody else",
        "address": entry.address if by_self else None,
    }


def _jobs(session: Session, user_id: str) -> Iterator[Job]:
    before_id = None
    while page := lifecycle.list_page(session, user_id, before_id=before_id, limit=_PAGE):
        yield from page
        before_id = page[-1].id
        session.expunge_all()


def _uploads(session: Session, user_id: str) -> list[Upload]:
    return list(session.scalars(select(Upload).where(Upload.user_id == user_id).order_by(Upload.id)))


def _files(session: Session, user_id: str, services: Services) -> Iterator[Member]:
    for upload in _uploads(session, user_id):
        source = UploadSource(services.database, services.storage, upload.id)
        if source.size_bytes:
            yield _member(f"uploads/{upload.id}", source.size_bytes, source.stream)
    columns = (Job.id, Job.options, Job.result_size_bytes)
    finished = (Job.user_id == user_id, Job.state == "finished", Job.result_key.is_not(None))
    for job in session.execute(select(*columns).where(*finished).order_by(Job.id)):
        name = f"conversions/{job.id}{result_suffix(job.options)}"
        size_bytes = int(job.result_size_bytes)
        stored = StoredResult(services.database, services.storage, job.id)
        yield _member(name, size_bytes, partial(stored.stream, 0, size_bytes))


def _member(name: str, size_bytes: int, stream: Any) -> Member:
    return Member(name, size_bytes, time.time(), stream)


def _read(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(_PIECE_SIZE_BYTES):
        yield piece
