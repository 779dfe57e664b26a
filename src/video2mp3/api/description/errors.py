"""The errors that each call can answer with, beside those that every call can."""

from collections.abc import Iterator, Mapping
from typing import Any

from video2mp3 import errors as e
from video2mp3.errors import Video2mp3Error

Kinds = tuple[type[Video2mp3Error], ...]


def _family(kind: type[Video2mp3Error]) -> Kinds:
    return (kind, *(found for below in kind.__subclasses__() for found in _family(below)))


COMMON: Kinds = (
    e.MethodNotAllowed,
    e.UnknownHost,
    e.RateLimited,
    Video2mp3Error,
    e.Unavailable,
    e.DatabaseUnavailable,
    e.Overloaded,
)
"""What every call can answer."""

_STORE: Kinds = (e.StorageUnavailable, e.StorageFull)
_FILE: Kinds = (
    e.EmptyFile, e.UploadIncomplete, e.QuotaExceeded, e.UploadTooLarge, e.UnsupportedMediaType, e.TooManyUploads,
    *_STORE,
)  # fmt: skip
_TUS: Kinds = (e.InvalidUploadHeader, e.WrongTusVersion, e.ChecksumMismatch)
_SUBMIT: Kinds = (
    e.NotFound, e.InvalidOption, e.UploadDeleted, e.TooManyJobs, e.UrlRejected, e.UrlSourcesDisabled, e.Forbidden,
    e.QuotaExceeded,
    e.IdempotencyKeyReused,
)  # fmt: skip
_MEDIA: Kinds = _family(e.MediaError)
_RESULT: Kinds = (e.NotFinished, e.Canceled, e.Conflict, e.Expired, *_MEDIA, e.StoredDataDamaged, *_STORE)
_SHARED: Kinds = (e.NotFound, e.LinkExpired, e.LinkStopped)
_ONE_CALL: Kinds = (*_FILE, *_SUBMIT, *_MEDIA, *_family(e.EngineError), e.Conflict)
_WORK: Kinds = (e.TooManyWaiting, e.StillRunning)
_INSPECT: Kinds = (
    e.NotFound, e.Conflict, e.InvalidOption, e.UploadDeleted, *_MEDIA, *_family(e.EngineError), *_WORK,
)  # fmt: skip
_PASSWORD: Kinds = (e.TooManyAttempts, e.LoginOverloaded)

_OWN: Mapping[str, Kinds] = {
    "convertFile": _ONE_CALL,
    "convertNamedFile": _ONE_CALL,
    "createConversion": (*_FILE, e.MissingFile, *_SUBMIT),
    "retryConversion": (e.Conflict, e.UploadDeleted, e.TooManyJobs, e.QuotaExceeded),
    "followConversion": (e.TooManyEventStreams,),
    "followConversions": (e.TooManyEventStreams,),
    "downloadMp3": (*_RESULT, e.RangeNotSatisfiable),
    "downloadSharedMp3": (*_SHARED, *_RESULT, e.RangeNotSatisfiable),
    "readSharedCover": (*_SHARED, *_RESULT),
    "readSharedWaveform": (*_SHARED, *_RESULT, *_WORK),
    "downloadSource": (e.UploadDeleted, e.Conflict, e.RangeNotSatisfiable, e.StoredDataDamaged, *_STORE),
    "downloadArchive": (e.NotFound, *_RESULT),
    "downloadBatchArchive": _RESULT,
    "readReport": _RESULT,
    "readWaveform": (*_RESULT, *_WORK),
    "createLink": _RESULT,
    "createUpload": (*_FILE, *_TUS),
    "appendToUpload": (*_FILE, *_TUS, e.WrongOffset),
    "deleteUpload": (e.Conflict,),
    "probeUpload": _INSPECT,
    "previewSplit": _INSPECT,
    "createBatch": _SUBMIT,
    "createWebhook": (e.UrlRejected, e.TooManyWebhooks),
    "createAccount": (e.UsernameTaken, e.InvitationNeeded, e.Forbidden, *_PASSWORD),
    "changeOwnAccount": (e.WrongPassword, *_PASSWORD),
    "changeOwnPassword": (e.WrongPassword, e.Conflict, *_PASSWORD),
    "deleteOwnAccount": (e.WrongPassword, *_PASSWORD),
    "exportOwnAccount": _WORK,
    "startSession": (e.InvalidCredentials, *_PASSWORD),
    "refreshSession": (e.Unauthenticated,),
    "endCurrentSession": (e.Unauthenticated,),
    "createApiKey": (e.TooManyApiKeys,),
    "requestPasswordReset": (e.EmailNotConfigured, e.TooManyAttempts),
    "resetPassword": (e.InvalidOrExpiredToken, *_PASSWORD),
    "requestEmailVerification": (e.Conflict, e.EmailNotConfigured, e.TooManyAttempts),
    "verifyEmail": (e.InvalidOrExpiredToken,),
    "readUnsubscribePage": (e.NotFound,),
    "unsubscribe": (e.NotFound,),
    "retryJob": (e.Conflict, e.UploadDeleted),
    "cancelJob": (e.Conflict,),
    "changeUser": (e.Conflict,),
    "v0UploadVideo": (*_FILE, e.MissingFile, *_SUBMIT),
    "v0Upload": (*_FILE, e.MissingFile, *_SUBMIT),
    "v0DownloadVideo": (e.UploadDeleted, e.Conflict, e.StoredDataDamaged, *_STORE),
    "v0Download": (e.NotFound, *_RESULT),
    "v0Register": (e.UsernameTaken, e.InvitationNeeded, e.Forbidden, *_PASSWORD),
    "v0Login": (e.InvalidCredentials, *_PASSWORD),
}
"""What a call can answer beside that, by its operationId."""


def errors_of(method: str, path: str, operation: Mapping[str, Any]) -> Kinds:
    """Returns the errors that the call can answer with; `COMMON` are not among them."""
    return tuple(dict.fromkeys([*_by_shape(method, path, operation), *_OWN.get(operation["operationId"], ())]))


def _by_shape(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[type[Video2mp3Error]]:
    """Yields what follows from who may call, what the address names and what the request carries."""
    need, content = operation["x-needs"], operation.get("requestBody", {}).get("content", {})
    if need != "open":
        yield from (e.Unauthenticated, e.InsufficientScope)
        if need == "admin" or method != "get":
            yield e.Forbidden
    if "_id}" in path:
        yield e.NotFound
    if path.startswith("/v1/") or content or operation.get("parameters"):
        yield e.InvalidRequest
    if "application/json" in content:
        yield e.RequestTooLarge


def problem_example(error: type[Video2mp3Error]) -> dict[str, Any]:
    """Returns the problem detail of an error, as a response has it."""
    return {
        "type": f"/docs#{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": error.status,
        "detail": error().detail,
        "code": error.code,
        "retryable": error.retryable,
        "request_id": "2b1f6a7c9d0e4f58",
    }
