"""Adapters: one vendor each. They turn a vendor's errors into `fleet.errors` and hold no rules of ours."""
