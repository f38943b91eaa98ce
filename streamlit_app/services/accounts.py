"""Signing in with a mailed code or link, staying signed in, signing out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from supabase import Client

from fleet.adapters import supabase
from fleet.adapters.supabase import SignedIn, SignedOut
from fleet.errors import InvalidInput, Refused, Unavailable
from fleet.settings import Settings
from streamlit_app.session_store import SessionStore, Tokens

LinkKind = Literal["email", "magiclink", "signup", "invite", "recovery"]
LINK_KINDS: tuple[LinkKind, ...] = ("email", "magiclink", "signup", "invite", "recovery")

CODES_AN_HOUR = 6
WRONG_TRIES = 5
_HOUR_S = 3600
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
    """Signing in and out, with caps an address: Supabase's own caps count the web server, which all visitors share."""

    settings: Settings
    store: SessionStore
    clock: Callable[[], float] = time.time

    def request_code(self, email: str) -> str:
        """Have a code mailed; the address as it was used. Says nothing of whether the address has an account.

        Raises `InvalidInput` for what is no address and `Unavailable` while a cap holds.
        """
        address = _address(email)
        now = self.clock()
        if not self.store.try_attempt("code", address, now, now - _HOUR_S, CODES_AN_HOUR):
            raise Unavailable("Too many codes were sent to this address: wait an hour, or use the last one.")
        try:
            supabase.request_code(supabase.anon_client(self.settings), address, self.settings.base_url)
        except Unavailable:
            self.store.take_back_attempt("code", address, now)
            raise
        self.store.clear_attempts("wrong", address)
        return address

    def sign_in(self, email: str, code: str) -> Account:
        """Spend the mailed code. Raises `Refused` for a wrong or old one, and after too many wrong ones."""
        address, digits = _address(email), code.strip().replace(" ", "")
        now = self.clock()
        if not (digits.isascii() and digits.isdigit() and 4 <= len(digits) <= 10):
            raise InvalidInput("The code is the six digits in the mail: enter just those.")
        if not self.store.try_attempt("wrong", address, now, now - _HOUR_S, WRONG_TRIES):
            raise Refused("The code was wrong too often: ask for a new one.")
        client = supabase.anon_client(self.settings)
        try:
            who = supabase.sign_in_with_code(client, address, digits)
        except Unavailable:
            self.store.take_back_attempt("wrong", address, now)
            raise
        self.store.take_back_attempt("wrong", address, now)  # it was right
        return self._kept(client, who)

    def confirm(self, token_hash: str, kind: LinkKind) -> Account:
        """Spend a mailed link, on a click. Raises `Refused` for a used or old one."""
        client = supabase.anon_client(self.settings)
        return self._kept(client, supabase.sign_in_with_link(client, token_hash, kind))

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
        supabase.sign_out(account.client)

    def _current(self, account: Account) -> SignedIn:
        try:
            return supabase.current_session(account.client)
        except SignedOut:
            self.store.forget(account.key)
            raise

    def _resumed(self, key: str, tokens: Tokens) -> Account:
        try:
            client, who = supabase.resume(self.settings, tokens.access_token, tokens.refresh_token)
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
        raise InvalidInput("This is no e-mail address: it looks like name@example.org.")
    return address
