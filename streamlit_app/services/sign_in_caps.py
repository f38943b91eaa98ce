"""How often a code is asked for and guessed at most: by address, client and visit, so that nobody locks others out.

A client is a network address. Where the server does not know it (no proxy says it, or everybody has the proxy's) the
visit takes its place, which keeps a person, not a program, from asking too often.
"""

import ipaddress
from dataclasses import dataclass

HOUR_S, MINUTE_S = 3600, 60
CODES_FROM_A_CLIENT = 4
"""For one address and hour, from one client: whoever asks for somebody else's codes leaves the owner theirs."""
CODES_AN_HOUR = 10
"""For one address, from all clients together: nobody gets more mails than that that they did not ask for."""
CODES_OF_A_CLIENT = 20
"""For one client and hour, whatever the addresses. A household, or an office behind one address, stays below."""
CODES_A_VISIT = 10
"""For one visit and hour. A reload begins another."""
CODES_A_MINUTE = 30
"""For all visitors together: no program can have more mails than that sent in our name."""
WRONG_TRIES = 5
"""At a code, from one client; a new code begins anew."""
WRONG_TRIES_AT_A_CODE = 15
"""From all clients together: of a million codes."""
WRONG_TRIES_OF_A_CLIENT = 20
"""For one client and hour, whatever the addresses."""


@dataclass(frozen=True)
class Visitor:
    """Who asks: their stay here, and the network that they come from, "" where that is not known."""

    visit: str
    client: str = ""

    @property
    def source(self) -> str:
        """What tells this visitor from others as well as can be."""
        return self.client or self.visit


@dataclass(frozen=True)
class Cap:
    """So many attempts of a kind in so many seconds."""

    kind: str
    subject: str
    attempts: int
    period_s: int
    sentence: str


def client_of(address: str | None) -> str:
    """The client behind an IP address: an IPv6 network is one household's. "" for one that is everybody's or none.

    An address that the internet does not know is a proxy's or a container's gateway: all visitors have it.
    """
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return client_of(str(found.ipv4_mapped))
        return str(ipaddress.ip_network((found, 64), strict=False)) if found.is_global else ""
    return str(found) if found.is_global else ""


def caps_on_codes(address: str, visitor: Visitor) -> tuple[Cap, ...]:
    """What a request for a code counts against. The widest last: what a narrower one refuses counts for no other."""
    sent = "Too many codes were sent to this address: wait an hour, or use the last one."
    asked = "You asked for too many codes: wait an hour, or use the last one."
    busy = "Very many people are signing in just now: try again in a minute."
    of_client = (Cap("client", visitor.client, CODES_OF_A_CLIENT, HOUR_S, asked),) if visitor.client else ()
    return (
        Cap("code", f"{address} {visitor.source}", CODES_FROM_A_CLIENT, HOUR_S, asked),
        Cap("visit", visitor.visit, CODES_A_VISIT, HOUR_S, asked),
        *of_client,
        Cap("address", address, CODES_AN_HOUR, HOUR_S, sent),
        Cap("everybody", "", CODES_A_MINUTE, MINUTE_S, busy),
    )


def caps_on_tries(address: str, visitor: Visitor) -> tuple[Cap, ...]:
    """What a wrong code counts against."""
    wrong = "The code was wrong too often: ask for a new one."
    often = "Too many codes were wrong: wait an hour."
    of_client = (Cap("wrong_client", visitor.client, WRONG_TRIES_OF_A_CLIENT, HOUR_S, often),) if visitor.client else ()
    return (
        Cap("wrong", f"{address} {visitor.source}", WRONG_TRIES, HOUR_S, wrong),
        *of_client,
        Cap("guessed", address, WRONG_TRIES_AT_A_CODE, HOUR_S, wrong),
    )


def begun_anew_by_a_code(address: str, visitor: Visitor) -> tuple[Cap, ...]:
    """Those of the caps on tries that are about the code itself, of which there is a new one."""
    return tuple(cap for cap in caps_on_tries(address, visitor) if cap.kind != "wrong_client")
