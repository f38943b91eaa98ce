"""Commands: what Flip wants of a battery, how the battery is told, and what Flip hears of it."""
