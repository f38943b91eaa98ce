"""What a fleet costs a month and which limit it meets first, from one dated table of prices, quotas and measurements.

Pure arithmetic: nothing is asked of a vendor. Amounts are US dollars without tax and without free tiers; a month has
730 hours. `prices.toml` says for each figure where it is from and whether it was looked up.
"""
