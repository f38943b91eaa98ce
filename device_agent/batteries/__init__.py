"""Batteries behind a contract: what a maker writes, and how the agent calls it without ever waiting for it."""
