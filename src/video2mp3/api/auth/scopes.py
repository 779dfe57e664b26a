"""The permission that each route requires; a test fails for a route that is not declared here.

`open`: none, or a secret that the request itself carries. `read`, `convert` and `admin`: API keys need that scope
(`convert` includes `read`); sessions have all scopes. `account`: API keys are refused, so that a leaked one cannot
create others, change the password or delete the account.
"""

from collections.abc import Collection, Mapping
from typing import Literal

from starlette.requests import Request

from video2mp3.accounts.api_keys import Scope
from video2mp3.errors import InsufficientScope

Need = Literal["open", "read", "convert", "admin", "account"]

_BY_NEED: Mapping[Need, str] = {
    "open": """
        GET /
        GET /docs
        GET /livez
        GET /llms.txt
        GET /openapi.json
        GET /page/{path:path}
        GET /readyz
        GET /sign-in
        GET /share/{token}
        GET /v1/shared/{token}/cover
        GET /v1/shared/{token}/mp3
        GET /v1/shared/{token}/waveform
        GET /v1/unsubscribe
        GET /.well-known/jwks.json
        POST /login
        POST /register
        POST /v1/accounts
        POST /v1/email-verifications/confirm
        POST /v1/password-resets
        POST /v1/password-resets/confirm
        POST /v1/sessions
        POST /v1/sessions/refresh
        POST /v1/unsubscribe
        DELETE /v1/sessions
    """,
    "read": """
        GET /download
        GET /download_video/{video_id}
        GET /users/me
        GET /v1/batches
        GET /v1/batches/{batch_id}
        GET /v1/batches/{batch_id}/archive
        GET /v1/conversions
        GET /v1/conversions/archive
        GET /v1/conversions/events
        GET /v1/conversions/{conversion_id}
        GET /v1/conversions/{conversion_id}/events
        GET /v1/conversions/{conversion_id}/mp3
        GET /v1/conversions/{conversion_id}/report
        GET /v1/conversions/{conversion_id}/source
        GET /v1/conversions/{conversion_id}/waveform
        GET /v1/me
        GET /v1/me/usage
        GET /v1/uploads/{upload_id}
        GET /v1/webhooks
        GET /v1/webhooks/{webhook_id}
        GET /v1/webhooks/{webhook_id}/deliveries
        HEAD /v1/conversions/{conversion_id}/mp3
        HEAD /v1/uploads/{upload_id}
        POST /validate
    """,
    "convert": """
        POST /upload
        POST /upload_video
        POST /v1/batches
        POST /v1/conversions
        POST /v1/conversions/{conversion_id}/links
        POST /v1/conversions/{conversion_id}/retry
        POST /v1/probe
        POST /v1/split-preview
        POST /v1/uploads
        POST /v1/webhooks
        POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver
        PUT /v1/mp3
        PUT /v1/mp3/{name:path}
        PATCH /v1/uploads/{upload_id}
        DELETE /v1/batches/{batch_id}
        DELETE /v1/conversions/{conversion_id}
        DELETE /v1/conversions/{conversion_id}/links
        DELETE /v1/uploads/{upload_id}
        DELETE /v1/webhooks/{webhook_id}
    """,
    "admin": """
        GET /v1/admin/audit
        GET /v1/admin/jobs
        GET /v1/admin/jobs/{job_id}
        GET /v1/admin/queue
        GET /v1/admin/storage
        GET /v1/admin/users
        GET /v1/admin/users/{user_id}
        GET /v1/admin/workers
        GET /v1/invitations
        POST /v1/admin/jobs/{job_id}/cancel
        POST /v1/admin/jobs/{job_id}/retry
        POST /v1/admin/workers/{worker_id}/drain
        POST /v1/invitations
        PATCH /v1/admin/users/{user_id}
        DELETE /v1/invitations/{invitation_id}
    """,
    "account": """
        GET /v1/api-keys
        GET /v1/me/export
        GET /v1/sessions
        POST /v1/api-keys
        POST /v1/email-verifications
        PUT /v1/me/password
        PATCH /v1/me
        DELETE /v1/api-keys/{key_id}
        DELETE /v1/me
        DELETE /v1/sessions/{session_id}
    """,
}

NEEDS: Mapping[str, Need] = {
    line.strip(): need for need, lines in _BY_NEED.items() for line in lines.splitlines() if line.strip()
}
"""The required permission by method and path."""

_ENOUGH: Mapping[str, tuple[Scope, ...]] = {"read": ("read", "convert"), "convert": ("convert",), "admin": ("admin",)}


def require_scope(request: Request, scopes: Collection[Scope]) -> None:
    """Raises InsufficientScope if an API key with these scopes may not call the request's route."""
    # An undeclared route counts as `account`, so an omission refuses access and never grants it.
    need = NEEDS.get(f"{request.method} {request.scope['route'].path}", "account")
    if not set(scopes) & set(_ENOUGH.get(need, ())):
        raise InsufficientScope(need if need in _ENOUGH else "")
