"""Telemetry: the message that a device sends, and how days of samples are kept in the archive."""
