"""Whether a driver does what the contract asks of it: tried on the battery itself, told in one table."""
