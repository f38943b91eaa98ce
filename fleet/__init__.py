"""The domain of a home-battery fleet, and the adapters to the vendors it lives on."""
