"""Adapters: one vendor a folder. They turn a vendor's errors into `fleet.errors` and hold no rules of ours."""
