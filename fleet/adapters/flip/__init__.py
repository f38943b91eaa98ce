"""Flip's API over HTTP: the one place that knows its addresses and answers. What it assumes: docs/flip.md."""

from fleet.adapters.flip.client import FlipClient
from fleet.adapters.flip.retries import RetryPolicy

__all__ = ["FlipClient", "RetryPolicy"]
