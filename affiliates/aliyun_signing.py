"""How Aliyun's RPC interfaces are signed. Apart from the client, so that the simulator can check it without ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote


def percent_encode(text: str) -> str:
    """RFC 3986: everything but letters, digits and `-_.~` is escaped."""
    return quote(text, safe="-_.~")


def signature(method: str, parameters: Mapping[str, str], secret: str) -> str:
    """The `Signature` of an RPC request: base64 of HMAC-SHA1. Source: Aliyun, RPC request signing, version 1.0."""
    query = "&".join(
        f"{percent_encode(name)}={percent_encode(parameters[name])}"
        for name in sorted(parameters)
        if name != "Signature"
    )
    to_sign = f"{method}&{percent_encode('/')}&{percent_encode(query)}"
    digest = hmac.new(f"{secret}&".encode(), to_sign.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()
