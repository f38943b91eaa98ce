"""Prefect flows, one file a deployment: each reads as the procedure it is."""
