"""Use cases over several vendors: what joins two adapters or more, with no rule of its own."""
