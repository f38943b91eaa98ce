"""The domain of a home-battery fleet, a package a subject; `adapters` to its vendors; `services` that join them."""
