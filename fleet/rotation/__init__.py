"""A device's new certificate: what the cloud and the device say to each other of it, and the steps of the cloud."""
