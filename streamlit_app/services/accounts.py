"""Signing in with a mailed code or link, staying signed in, signing out."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Literal

from supabase import Client

from fleet.adapters.supabase import sessions
from fleet.adapters.supabase.sessions import SignedIn, SignedOut
from fleet.errors import FleetError, InvalidInput, Refused, Unavailable
from fleet.settings import Settings
from streamlit_app.services.sign_in_caps import Cap, Visitor, begun_anew_by_a_code, caps_on_codes, caps_on_tries
from streamlit_app.session_store import SessionStore, Tokens

LinkKind = Literal["email", "magiclink", "signup", "invite", "recovery"]
LINK_KINDS: tuple[LinkKind, ...] = ("email", "magiclink", "signup", "invite", "recovery")

_MAX_EMAIL_CHARACTERS = 254
"""RFC 5321's limit for an address."""


@dataclass(frozen=True, repr=False)
class Account:
    """A visitor who is signed in: a client that acts as them alone, and the key of their kept session. Secret."""

    client: Client
    who: SignedIn
    key: str

    @property
    def is_operator(self) -> bool:
        """Whether the pages for operators are shown. What an operator may see, the database decides."""
        return self.who.app_role == "operator"


@dataclass(frozen=True)
class Accounts:
    """Signing in and out, under caps of our own (`sign_in_caps`): Supabase's count the web server, which all share."""

    settings: Settings
    store: SessionStore
    clock: Callable[[], float] = time.time

    def request_code(self, email: str, visitor: Visitor) -> str:
        """Have a code mailed; the address as it was used. Says nothing of whether the address has an account.

        Raises `InvalidInput` for what is no address and `Unavailable` while a cap holds.
        """
        address, now = _address(email), self.clock()
        with self._counted(caps_on_codes(address, visitor), now, Unavailable):
            sessions.request_code(sessions.anon_client(self.settings), address, self.settings.base_url)
        for cap in begun_anew_by_a_code(address, visitor):
            self.store.clear_attempts(cap.kind, cap.subject)
        return address

    def sign_in(self, email: str, code: str, visitor: Visitor) -> Account:
        """Spend the mailed code. Raises `Refused` for a wrong or old one, and after too many wrong ones."""
        address, digits = _address(email), code.strip().replace(" ", "")
        now = self.clock()
        if not (digits.isascii() and digits.isdigit() and 4 <= len(digits) <= 10):
            raise InvalidInput("The code is the six digits in the mail: enter just those.")
        client, caps = sessions.anon_client(self.settings), caps_on_tries(address, visitor)
        with self._counted(caps, now, Refused):
            who = sessions.sign_in_with_code(client, address, digits)
        self._take_back(caps, now)  # it was right
        return self._kept(client, who)

    def confirm(self, token_hash: str, kind: LinkKind, email: str) -> Account:
        """Spend a mailed link, on a click. Raises `Refused` for a used or old one, and for another address's.

        What the link does not tell, whose account it opens, the visitor has to: or somebody could send them a link of
        their own and have what the visitor then registers.
        """
        address, client = _address(email), sessions.anon_client(self.settings)
        who = sessions.sign_in_with_link(client, token_hash, kind)
        if who.email.lower() != address:
            with suppress(Unavailable):
                sessions.sign_out(client)
            raise Refused("This link is not for that address: ask for a new code, and do not use links of others.")
        return self._kept(client, who)

    def resume(self, key: str) -> Account | None:
        """The account whose kept session `key` opens, or None. Raises `Unavailable` while Supabase is down."""
        with self.store.turn(key):
            tokens = self.store.read(key, self.clock())
            return self._resumed(key, tokens) if tokens else None

    def refreshed(self, account: Account) -> Account:
        """The account, with new tokens when the old ones end: call it once a page run.

        Raises `SignedOut` when the session is over, here or in another tab.
        """
        with self.store.turn(account.key):
            tokens = self.store.read(account.key, self.clock())
            if tokens is None:
                raise SignedOut("You are signed out: sign in again.")
            if tokens.access_token != account.who.access_token:  # another tab has renewed them
                return self._resumed(account.key, tokens)
            return self._renewed(replace(account, who=self._current(account)), tokens)

    def sign_out(self, account: Account) -> None:
        """End the session here, in every tab, and at Supabase."""
        self.store.forget(account.key)
        sessions.sign_out(account.client)

    @contextmanager
    def _counted(self, caps: Sequence[Cap], now: float, over: type[FleetError]) -> Iterator[None]:
        """Count an attempt against each cap before it is made; one that came to nothing does not count.

        Raises `over` where a cap holds: that attempt was none, and counts against no other.
        """
        counted: list[Cap] = []
        for cap in caps:
            if not self.store.try_attempt(cap.kind, cap.subject, now, now - cap.period_s, cap.attempts):
                self._take_back(counted, now)
                raise over(cap.sentence)
            counted.append(cap)
        try:
            yield
        except Unavailable:
            self._take_back(counted, now)
            raise

    def _take_back(self, caps: Sequence[Cap], now: float) -> None:
        for cap in caps:
            self.store.take_back_attempt(cap.kind, cap.subject, now)

    def _current(self, account: Account) -> SignedIn:
        try:
            return sessions.current_session(account.client)
        except SignedOut:
            self.store.forget(account.key)
            raise

    def _resumed(self, key: str, tokens: Tokens) -> Account:
        try:
            client, who = sessions.resume(self.settings, tokens.access_token, tokens.refresh_token)
        except SignedOut:
            self.store.forget(key)
            raise
        return self._renewed(Account(client, who, key), tokens)

    def _renewed(self, account: Account, kept: Tokens) -> Account:
        tokens = Tokens(account.who.access_token, account.who.refresh_token)
        if tokens != kept:
            self.store.renew(account.key, tokens, self.clock())
        return account

    def _kept(self, client: Client, who: SignedIn) -> Account:
        return Account(client, who, self.store.open(Tokens(who.access_token, who.refresh_token), self.clock()))


def _address(email: str) -> str:
    """The address, lower-cased as Supabase keeps it. Raises `InvalidInput` for what mail cannot reach."""
    address = email.strip().lower()
    name, _, domain = address.rpartition("@")
    plain = address.isprintable() and " " not in address and len(address) <= _MAX_EMAIL_CHARACTERS
    if not (plain and name and "." in domain.strip(".")):
        raise InvalidInput("This is not an e-mail address: it should look like name@example.org.")
    return address
