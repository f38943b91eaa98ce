"""AWS Signature Version 4 for one kind of request: a POST of JSON to `/`, with the operation in `X-Amz-Target`.

botocore and awscrt sign anything; one fixed shape costs a tenth of it (docs/decisions/0006). A test holds every
signature against botocore's. Source: AWS General Reference, "Create a signed AWS API request".
"""

import hmac
import time
from dataclasses import dataclass
from hashlib import sha256

_CONTENT_TYPE = "application/x-amz-json-1.0"


@dataclass(frozen=True)
class Keys:
    """One set of access keys, as they are now; `token` is empty for keys that do not expire. Never printed."""

    access_key: str
    secret_key: str
    token: str = ""

    def __repr__(self) -> str:
        return f"Keys({self.access_key}, ...)"


class Signer:
    """Makes signed requests, head and body, for one service at one host."""

    def __init__(self, region: str, service: str, host: str) -> None:
        self._region, self._service, self._host = region, service, host
        self._second, self._timestamp = -1, ""
        self._scope, self._derived = "", b""
        self._derived_for: tuple[Keys, str] | None = None

    def request(self, keys: Keys, target: str, payload: bytes, at: float) -> bytes:
        """The whole HTTP/1.1 request for `target` (`AmazonSQS.ReceiveMessage`), signed at `at` (epoch seconds, UTC)."""
        if (second := int(at)) != self._second:
            self._second, self._timestamp = second, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        self._derive(keys)
        # In the signature's order: by name. Query mode has errors named as botocore names them.
        headers = (
            f"content-type:{_CONTENT_TYPE}\nhost:{self._host}\nx-amz-date:{self._timestamp}\n"
            f"{f'x-amz-security-token:{keys.token}{chr(10)}' if keys.token else ''}"
            f"x-amz-target:{target}\nx-amzn-query-mode:true\n"
        )
        token_name = "x-amz-security-token;" if keys.token else ""
        names = f"content-type;host;x-amz-date;{token_name}x-amz-target;x-amzn-query-mode"
        canonical = f"POST\n/\n\n{headers}\n{names}\n{sha256(payload).hexdigest()}"
        to_sign = f"AWS4-HMAC-SHA256\n{self._timestamp}\n{self._scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._derived, to_sign.encode(), "sha256").hex()
        head = headers.replace("\n", "\r\n")
        return (
            f"POST / HTTP/1.1\r\n{head}authorization:AWS4-HMAC-SHA256 Credential={keys.access_key}/{self._scope}, "
            f"SignedHeaders={names}, Signature={signature}\r\ncontent-length:{len(payload)}\r\n\r\n"
        ).encode() + payload

    def _derive(self, keys: Keys) -> None:
        """The signing key of the day: four hashes that stay the same until midnight UTC or new credentials."""
        day = self._timestamp[:8]
        if self._derived_for == (keys, day):
            return
        derived = f"AWS4{keys.secret_key}".encode()
        for part in (day, self._region, self._service, "aws4_request"):
            derived = hmac.digest(derived, part.encode(), "sha256")
        self._derived, self._derived_for = derived, (keys, day)
        self._scope = f"{day}/{self._region}/{self._service}/aws4_request"
