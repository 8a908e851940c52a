"""The vendor's two calls, and the page with the camera. One process: attempts live in its memory for an hour."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render

from affiliates.aliyun_signing import signature

KEPT_SECONDS = 3600
TOLERANCE_SECONDS = 15 * 60
MAX_FRAME = 2 * 1024 * 1024
_attempts: dict[str, dict[str, Any]] = {}
_nonces: dict[str, float] = {}
_lock = threading.Lock()


def policy(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        response.headers["Permissions-Policy"] = "camera=(self)"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return respond


def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


def script(request: HttpRequest) -> HttpResponse:
    path = settings.BASE_DIR / "templates" / "camera.js"
    return HttpResponse(path.read_text(), content_type="text/javascript; charset=utf-8")


def stylesheet(request: HttpRequest) -> HttpResponse:
    path = settings.BASE_DIR / "templates" / "camera.css"
    return HttpResponse(path.read_text(), content_type="text/css; charset=utf-8")


def _refuse(status: int, code: str) -> JsonResponse:
    return JsonResponse({"RequestId": secrets.token_hex(8), "Code": code, "Message": code}, status=status)


def rpc(request: HttpRequest) -> HttpResponse:
    """`InitFaceVerify` and `DescribeFaceVerify`, for whoever signs with the key."""
    parameters = {name: str(value) for name, value in request.POST.items()}
    if (
        request.method != "POST"
        or parameters.get("AccessKeyId") != settings.KEY_ID
        or not settings.KEY_SECRET
    ):
        return _refuse(404, "InvalidAccessKeyId.NotFound")
    wanted = signature("POST", parameters, settings.KEY_SECRET)
    if not hmac.compare_digest(wanted, parameters.get("Signature", "")):
        return _refuse(400, "SignatureDoesNotMatch")
    if not _is_fresh(parameters.get("Timestamp", "")):
        return _refuse(400, "InvalidTimeStamp.Expired")
    if not _is_first(parameters.get("SignatureNonce", "")):
        return _refuse(400, "SignatureNonceUsed")
    if parameters.get("Action") == "InitFaceVerify":
        found = _begin(parameters)
    elif parameters.get("Action") == "DescribeFaceVerify":
        found = _describe(parameters.get("CertifyId", ""))
    else:
        return _refuse(404, "InvalidAction.NotFound")
    if found is None:
        return JsonResponse({"RequestId": secrets.token_hex(8), "Code": "400", "Message": "bad parameters"})
    answer = {"RequestId": secrets.token_hex(8), "Code": "200", "Message": "success", "ResultObject": found}
    return JsonResponse(answer)


def _is_fresh(timestamp: str) -> bool:
    try:
        then = datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs((datetime.now(UTC) - then).total_seconds()) <= TOLERANCE_SECONDS


def _is_first(nonce: str) -> bool:
    now = time.monotonic()
    with _lock:
        for old in [known for known, at in _nonces.items() if now - at > 2 * TOLERANCE_SECONDS]:
            del _nonces[old]
        if not nonce or nonce in _nonces:
            return False
        _nonces[nonce] = now
    return True


def _begin(parameters: dict[str, str]) -> dict[str, str] | None:
    if not all(
        parameters.get(name) for name in ("SceneId", "OuterOrderNo", "CertName", "CertNo", "ReturnUrl")
    ):
        return None
    certify_id, now = secrets.token_hex(16), time.monotonic()
    with _lock:
        for old in [known for known, attempt in _attempts.items() if now - attempt["at"] > KEPT_SECONDS]:
            del _attempts[old]
        # Neither name nor number is kept: the simulator decides nothing about anybody.
        _attempts[certify_id] = {
            "at": now,
            "return_url": parameters["ReturnUrl"],
            "passed": None,
            "frame": "",
        }
    return {"CertifyId": certify_id, "CertifyUrl": f"{settings.ADDRESS}/verify/{certify_id}"}


def _describe(certify_id: str) -> dict[str, Any] | None:
    attempt = _attempts.get(certify_id)
    if attempt is None:
        return None
    if attempt["passed"] is None:
        return {"Passed": "", "SubCode": ""}
    material = {"faceAttack": "F", "facialPictureFront": {"picture": attempt["frame"]}}
    return {
        "Passed": "T" if attempt["passed"] else "F",
        "SubCode": "200" if attempt["passed"] else "204",
        "MaterialInfo": json.dumps(material if attempt["frame"] else {"faceAttack": "F"}),
    }


def verify(request: HttpRequest, certify_id: str) -> HttpResponse:
    """The person's page: a camera where there is one, and the choice of how the check ends."""
    attempt = _attempts.get(certify_id)
    if attempt is None:
        raise Http404
    if request.method == "POST" and attempt["passed"] is None:
        frame = request.POST.get("frame", "")
        try:
            picture = base64.b64decode(frame, validate=True)
        except ValueError:
            picture = b""
        with _lock:
            attempt["passed"] = request.POST.get("outcome") == "pass"
            attempt["frame"] = (
                frame if picture.startswith(b"\xff\xd8\xff") and len(picture) <= MAX_FRAME else ""
            )
    if attempt["passed"] is not None:
        parts = urlsplit(attempt["return_url"])
        query = "&".join(filter(None, [parts.query, urlencode({"certifyId": certify_id})]))
        return HttpResponseRedirect(urlunsplit(parts._replace(query=query)))
    return render(request, "verify.html")
