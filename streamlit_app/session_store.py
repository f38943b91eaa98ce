"""Who is signed in, kept over a browser reload: docs/decisions/0003-staying-signed-in.md.

The browser holds a random key in a cookie that no script can read. The record it opens is in a file here, named by
the key's hash and encrypted with a key derived from it: the file alone opens nothing. Times are UTC seconds.
"""

import hashlib
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LIFETIME_S = 30 * 24 * 3600
"""A visitor signs in anew after this, however active."""
TICKET_LIFETIME_S = 60
_NONCE_BYTES = 12
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, sealed BLOB NOT NULL, ends_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS attempts (kind TEXT NOT NULL, subject TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS attempts_of ON attempts (kind, subject, at);
"""


@dataclass(frozen=True, repr=False)
class Tokens:
    """What Supabase gave this visitor. Secret."""

    access_token: str
    refresh_token: str


class SessionStore:
    """Sessions of all visitors, in one SQLite file that only its owner can read. Safe to share between threads."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        self._database = sqlite3.connect(file, check_same_thread=False, isolation_level=None, timeout=10)
        self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA secure_delete = ON;" + _SCHEMA)
        self._guard = threading.RLock()
        self._tickets: dict[str, tuple[str, float]] = {}
        # Shared by chance between sessions: a lock for each would grow with every cookie that a stranger invents.
        self._turns = tuple(threading.RLock() for _ in range(256))

    def open(self, tokens: Tokens, now: float) -> str:
        """Keep a new session; the key that opens it, for the visitor's cookie."""
        key = secrets.token_urlsafe(32)
        with self._guard:
            self._forget_ended(now)
            self._write(key, tokens, now + LIFETIME_S)
        return key

    def read(self, key: str, now: float) -> Tokens | None:
        """The tokens that `key` opens, or None: it is over, forgotten or was never there."""
        with self._guard:
            row = self._database.execute("SELECT sealed, ends_at FROM sessions WHERE id = ?", [_id(key)]).fetchone()
        return _unseal(key, row[0]) if row and row[1] > now else None

    def renew(self, key: str, tokens: Tokens, now: float) -> None:
        """Replace the tokens of a session that is still there; its end stays."""
        with self._guard:
            row = self._database.execute("SELECT ends_at FROM sessions WHERE id = ?", [_id(key)]).fetchone()
            if row and row[0] > now:
                self._write(key, tokens, row[0])

    def forget(self, key: str) -> None:
        """End the session for every tab and browser that holds its key. May be repeated."""
        with self._guard:
            self._database.execute("DELETE FROM sessions WHERE id = ?", [_id(key)])

    @contextmanager
    def turn(self, key: str) -> Iterator[None]:
        """One tab at a time renews the tokens: a refresh token that comes twice ends the session at Supabase."""
        with self._turns[int(_id(key)[:8], 16) % len(self._turns)]:
            yield

    def issue_ticket(self, key: str, now: float) -> str:
        """A word that the visitor's page exchanges once for the cookie, so that the key itself meets no script."""
        ticket = secrets.token_urlsafe(32)
        with self._guard:
            self._tickets = {word: held for word, held in self._tickets.items() if held[1] > now}
            self._tickets[ticket] = (key, now + TICKET_LIFETIME_S)
        return ticket

    def redeem_ticket(self, ticket: str, now: float) -> str | None:
        """The key behind the ticket, the first time and within its minute; else None."""
        with self._guard:
            key, ends_at = self._tickets.pop(ticket, ("", 0.0))
        return key if ends_at > now else None

    def count_attempts(self, kind: str, subject: str, since: float) -> int:
        """How often `kind` was attempted for the subject after `since`."""
        query = "SELECT count(*) FROM attempts WHERE kind = ? AND subject = ? AND at > ?"
        with self._guard:
            return int(self._database.execute(query, [kind, _id(subject), since]).fetchone()[0])

    def try_attempt(self, kind: str, subject: str, now: float, since: float, cap: int) -> bool:
        """Write an attempt down unless `cap` were made after `since`: counted before it is made, so none slips past."""
        with self._guard:
            if self.count_attempts(kind, subject, since) >= cap:
                return False
            self.note_attempt(kind, subject, now)
            return True

    def take_back_attempt(self, kind: str, subject: str, at: float) -> None:
        """An attempt that came to nothing does not count."""
        with self._guard:
            self._database.execute(
                "DELETE FROM attempts WHERE kind = ? AND subject = ? AND at = ?", [kind, _id(subject), at]
            )

    def note_attempt(self, kind: str, subject: str, now: float) -> None:
        """Write an attempt down; what is older than a day is dropped."""
        with self._guard:
            self._database.execute("DELETE FROM attempts WHERE at < ?", [now - 24 * 3600])
            self._database.execute("INSERT INTO attempts VALUES (?, ?, ?)", [kind, _id(subject), now])

    def clear_attempts(self, kind: str, subject: str) -> None:
        """Begin counting anew."""
        with self._guard:
            self._database.execute("DELETE FROM attempts WHERE kind = ? AND subject = ?", [kind, _id(subject)])

    def close(self) -> None:
        self._database.close()

    def _write(self, key: str, tokens: Tokens, ends_at: float) -> None:
        sealed = _seal(key, tokens)
        self._database.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)", [_id(key), sealed, ends_at])

    def _forget_ended(self, now: float) -> None:
        self._database.execute("DELETE FROM sessions WHERE ends_at <= ?", [now])


def _id(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _cipher(key: str) -> AESGCM:
    return AESGCM(HKDF(hashes.SHA256(), 32, salt=None, info=b"flip-fleet web session").derive(key.encode()))


def _seal(key: str, tokens: Tokens) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _cipher(key).encrypt(nonce, msgspec.json.encode(tokens), _id(key).encode())


def _unseal(key: str, sealed: bytes) -> Tokens | None:
    try:
        plain = _cipher(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _id(key).encode())
        return msgspec.json.decode(plain, type=Tokens)
    except (InvalidTag, ValueError, msgspec.MsgspecError):
        return None
