"""AWS: clients made from the settings, its errors turned into ours, and each service that we call."""

from fleet.adapters.aws.clients import ca_file, client, credentials, temporary_credentials, translated, with_profile

__all__ = ["ca_file", "client", "credentials", "temporary_credentials", "translated", "with_profile"]
