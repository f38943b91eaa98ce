"""What PostgreSQL's text cannot hold, a NUL, is left out of every value on its way in: this is the door for it.

Batteries, Flip and strangers may send one. Whoever looks something up by a stranger's name refuses a NUL in it before:
without it, it would be another name.
"""

import json
import re

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.types.json import set_json_dumps
from psycopg.types.string import StrDumperUnknown

_NUL = "\0"
_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""A NUL in JSON, and not a backslash that is followed by the letters u0000."""


class _WithoutNul(StrDumperUnknown):
    def dump(self, obj: str) -> bytes | bytearray | memoryview | None:
        return super().dump(obj.replace(_NUL, ""))


def _json(value: object) -> str:
    return _ESCAPED_NUL.sub(r"\1", json.dumps(value))


WITHOUT_NUL = AdaptersMap(psycopg.adapters)
"""For `psycopg.connect(context=...)`: texts, lists of them and JSON go in without NULs; bytes are left alone."""
WITHOUT_NUL.register_dumper(str, _WithoutNul)
set_json_dumps(_json, WITHOUT_NUL)
