"""Who is let in. The emulator takes any twelve digits, no key, and its own key with any secret for root by itself.

On AWS a key counts with its secret's signature and in no other way. And nothing on AWS answers at `/_ministack`.
"""

import hmac
import os
import re
from typing import Any

from ministack.core import iam_evaluator
from ministack.services import sts

from local_cloud.aws.inspection import HEADER, token

_OWN = re.compile(r"/(_ministack|_localstack)(/.*)?|/health", re.DOTALL)
_OPEN = ("/_ministack/ready", "/_ministack/health", "/_ministack/iot/ca.pem")


def be_strict() -> None:
    """From here on the key that this process was started with is root when its secret made the signature; none else."""
    key = os.environ["AWS_ACCESS_KEY_ID"]
    iam_evaluator.is_root_access_key = sts.is_root_access_key = lambda given: given == key
    iam_evaluator._is_root_key = lambda given: False  # what decides that a signature need not be looked at


def guard_inspection(app: Any) -> Any:
    """`app`, whose own routes (what was mailed and queued, reset, configuration) want the token of `inspection`."""
    expected = token(os.environ["AWS_SECRET_ACCESS_KEY"]).encode()

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        path = str(scope.get("path", ""))
        if _OWN.fullmatch(path) and path not in _OPEN:
            headers = dict(scope.get("headers") or ())
            if not hmac.compare_digest(headers.get(HEADER.lower().encode(), b""), expected):
                await _refuse(send)
                return
        await app(scope, receive, send)

    return guarded


async def _refuse(send: Any) -> None:
    await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"Only who holds the emulator's root key may look into it."})
