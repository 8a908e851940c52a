"""Aliyun's face verification (Cloudauth 2019-03-07): `InitFaceVerify`, `DescribeFaceVerify`, and their signature.

The RPC style of Aliyun's interfaces: all parameters in one form, signed with HMAC-SHA1 over the sorted,
percent-encoded parameters. `Passed` decides, fetched server to server. Neither name nor number nor key is logged.
"""

from __future__ import annotations

import base64
import json
import logging
import secrets
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from affiliates.aliyun_signing import signature
from portal.errors import DomainError

logger = logging.getLogger(__name__)

VERSION = "2019-03-07"
TIMEOUT = 10
MAX_FRAME_BYTES = 3 * 1024 * 1024
# What the vendor's page needs to know of a browser; the H5 flow makes do with this.
META_INFO = json.dumps({"deviceType": "h5", "zimVer": "3.0.0"})


class VendorUnavailable(DomainError):
    """The vendor can't be reached, or refuses us; nothing is known of the person."""

    code = "liveness_unavailable"
    status = 503


@dataclass(frozen=True)
class Started:
    """`reference` is the vendor's CertifyId, `url` the page to send the person to."""

    reference: str
    url: str


@dataclass(frozen=True)
class Result:
    """`passed` None: not finished yet. `code` is the vendor's SubCode; `frame` a JPEG, if it gave one."""

    passed: bool | None
    code: str = ""
    frame: bytes = b""


@dataclass(frozen=True)
class Client:
    """One account at the vendor. `vendor` names it in our records."""

    vendor: str
    endpoint: str
    key_id: str
    secret: str
    scene: str

    def start(self, *, name: str, id_number: str, return_url: str) -> Started:
        """Raises: VendorUnavailable."""
        found = self._call(
            "InitFaceVerify",
            SceneId=self.scene,
            OuterOrderNo=secrets.token_hex(16),
            ProductCode="ID_PRO",
            CertType="IDENTITY_CARD",
            CertName=name,
            CertNo=id_number,
            ReturnUrl=return_url,
            MetaInfo=META_INFO,
        )
        reference, url = found.get("CertifyId"), found.get("CertifyUrl")
        if not isinstance(reference, str) or not isinstance(url, str) or not reference:
            raise self._unavailable("InitFaceVerify", "no CertifyId")
        return Started(reference, url)

    def result(self, reference: str) -> Result:
        """Raises: VendorUnavailable."""
        found = self._call(
            "DescribeFaceVerify", SceneId=self.scene, CertifyId=reference, PictureReturnType="JPG"
        )
        passed = found.get("Passed")
        if passed not in ("T", "F"):
            return Result(None)
        code = str(found.get("SubCode") or "")[:40]
        return Result(passed == "T", code, self._frame(found.get("MaterialInfo")))

    def _frame(self, material: Any) -> bytes:
        """The best frame, if the vendor gives one: as base64 or at an address on its own host."""
        try:
            front = json.loads(material)["facialPictureFront"]
            if picture := front.get("picture"):
                content = base64.b64decode(picture, validate=True)
            else:
                address = front["pictureUrl"]
                if urlsplit(address).scheme != "https" or not self._is_vendors(address):
                    return b""
                with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:  # noqa: S310  (checked above)
                    content = answer.read(MAX_FRAME_BYTES + 1)
        except (KeyError, TypeError, ValueError, OSError, AttributeError):
            return b""
        is_jpeg = content.startswith(b"\xff\xd8\xff") and len(content) <= MAX_FRAME_BYTES
        return content if is_jpeg else b""

    @staticmethod
    def _is_vendors(address: str) -> bool:
        return (urlsplit(address).hostname or "").endswith(".aliyuncs.com")

    def _call(self, action: str, **parameters: str) -> dict[str, Any]:
        """One signed request; its `ResultObject`. Raises: VendorUnavailable."""
        parameters |= {
            "Action": action,
            "Version": VERSION,
            "Format": "JSON",
            "AccessKeyId": self.key_id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": secrets.token_hex(16),
            "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        parameters["Signature"] = signature("POST", parameters, self.secret)
        request = urllib.request.Request(  # noqa: S310  (the endpoint is a setting of ours)
            self.endpoint, data=urlencode(parameters).encode(), method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
                body = json.load(answer)
        except urllib.error.HTTPError as error:
            raise self._unavailable(action, f"HTTP {error.code}") from error
        except (OSError, ValueError) as error:
            raise self._unavailable(action, type(error).__name__) from error
        found = body.get("ResultObject") if isinstance(body, dict) else None
        if not isinstance(found, dict) or str(body.get("Code")) != "200":
            raise self._unavailable(action, f"code {body.get('Code') if isinstance(body, dict) else '?'}")
        return found

    def _unavailable(self, action: str, why: str) -> VendorUnavailable:
        logger.warning("liveness vendor refused", extra={"vendor": self.vendor, "action": action, "why": why})
        return VendorUnavailable(
            _("The liveness check can't be reached at the moment. Try again in a minute.")
        )


def client() -> Client:
    """The vendor that the settings name."""
    return Client(**settings.LIVENESS)
