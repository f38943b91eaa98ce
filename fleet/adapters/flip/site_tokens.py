"""Site tokens, kept until shortly before Flip lets them expire."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from pydantic import SecretStr

MARGIN = timedelta(minutes=2)
"""A token is not used so close to its end: its clock is Flip's, and the call takes time."""
_MOST_KEPT = 10_000

Fetch = Callable[[str], tuple[SecretStr, datetime]]


class SiteTokens:
    """Fetches a token a site when there is none that lasts. Safe to share between threads."""

    def __init__(self, fetch: Fetch, now: Callable[[], datetime]) -> None:
        self._fetch, self._now = fetch, now
        self._kept: dict[str, tuple[SecretStr, datetime]] = {}
        self._lock = threading.Lock()

    def get(self, site_id: str) -> SecretStr:
        """The site's token; raises what fetching it raises."""
        with self._lock:
            kept = self._kept.get(site_id)
        if kept and self._now() < kept[1] - MARGIN:
            return kept[0]
        fetched = self._fetch(site_id)
        with self._lock:
            while len(self._kept) >= _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[site_id] = fetched
        return fetched[0]

    def forget(self, site_id: str) -> None:
        """Flip no longer takes this token."""
        with self._lock:
            self._kept.pop(site_id, None)
