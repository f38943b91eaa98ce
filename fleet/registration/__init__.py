"""Registration: the link with which a homeowner shows that a battery is theirs."""
