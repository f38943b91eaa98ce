"""Provisioning: what the factory is asked for, and the steps that make a device known."""
