"""What an object store's error codes mean for an operator: what is wrong, and what mends it.

The codes are those of S3 (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html), which Google Cloud
Storage shares, and of Azure (https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes).
"""

import re
from collections.abc import Mapping

from video2mp3.errors import NotFound, StorageFull, StorageUnavailable, Video2mp3Error

_NO_BUCKET = "The bucket does not exist; create it, or name another in VIDEO2MP3_STORAGE_URL"
_CLOCK = "The clock of this machine is wrong by more than 15 minutes for {store}; set it (NTP)"
_DENIED = (
    "{store} denies the access key an operation; "
    "allow it to list the bucket, and to read, write and delete objects below the prefix"
)
_KEY = "{store} does not know the access key; check VIDEO2MP3_S3_ACCESS_KEY_ID"
_REGION = "The bucket is in {region}; set VIDEO2MP3_S3_REGION to it"
_SESSION = "The session token of the access key is invalid or has expired; get a new one"
_SIGNATURE = (
    "{store} rejects the signature; check VIDEO2MP3_S3_SECRET_ACCESS_KEY, and that no proxy changes the Host header"
)
_SLOW = "{store} is overloaded"
_SENTENCES: Mapping[str, str] = {
    "AccessDenied": _DENIED,
    "AccountProblem": "{store} has closed the account; ask its provider",
    "AllAccessDisabled": "{store} has closed the bucket; ask its provider",
    "AuthenticationFailed": "{store} rejects the access key; check it, and the clock of this machine",
    "AuthorizationFailure": _DENIED,
    "AuthorizationHeaderMalformed": _REGION,
    "AuthorizationPermissionMismatch": _DENIED,
    "ContainerNotFound": _NO_BUCKET,
    "ExpiredToken": _SESSION,
    "InvalidAccessKeyId": _KEY,
    "InvalidBucketName": "VIDEO2MP3_STORAGE_URL names a bucket that cannot exist",
    "InvalidToken": _SESSION,
    "NoSuchBucket": _NO_BUCKET,
    "NotImplemented": "{store} lacks an operation that the service needs",
    "PermanentRedirect": _REGION,
    "RequestTimeTooSkewed": _CLOCK,
    "ServerBusy": _SLOW,
    "SignatureDoesNotMatch": _SIGNATURE,
    "SlowDown": _SLOW,
    "TemporaryRedirect": _REGION,
}
_FULL = frozenset({"InsufficientStorage", "QuotaExceeded", "XMinioStorageFull"})
_MISSING = frozenset({"BlobNotFound", "NoSuchKey"})
# How the library reports a redirect to the bucket's region, which S3 sends without an address.
_BARE_REDIRECT = "redirect without LOCATION"
_MAX_LENGTH = 200


def http_status(error: Exception) -> int | None:
    """Returns the status of the store's response; None if there was none. The library reports it only as text."""
    found = re.search(r"status code: (\d{3})", str(error))
    return int(found[1]) if found else None


def translate(error: Exception, store: str) -> Video2mp3Error:
    """Returns the error of ours for one of the library's, with the reason for the operator. `store` is its name."""
    text, status = str(error), http_status(error)
    code = _element("Code", text)
    if code is None and _BARE_REDIRECT in text:
        code = "PermanentRedirect"
    if code in _MISSING or (code is None and isinstance(error, FileNotFoundError)):
        return NotFound()
    if code in _FULL or status == 507:
        return StorageFull()
    if code is not None:
        return StorageUnavailable(reason=_reason(code, text, store))
    if status in (401, 403):
        return StorageUnavailable(reason=f"{store} rejects the access key, or denies it this operation.")
    if status is None and "error sending request" in text:
        return StorageUnavailable(reason=f"{store} cannot be reached.")
    return StorageUnavailable(reason=f"{store} does not answer as it should.")


def _reason(code: str, text: str, store: str) -> str:
    sentence = _SENTENCES.get(code, "{store} refuses an operation")
    region = _element("Region", text)
    said = (_element("Message", text) or "").rstrip(".")[:_MAX_LENGTH]
    reason = sentence.format(store=store, region=f"the region {region}" if region else "another region")
    return f"{reason} ({code}{f': {said}' if said else ''})."


def _element(name: str, text: str) -> str | None:
    found = re.search(f"<{name}>([^<]+)</{name}>", text)
    return " ".join(found[1].split()) if found else None
