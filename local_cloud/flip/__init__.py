"""A stand-in for Flip: stateful, on loopback only, and as strict as Flip is documented to be. See docs/flip.md.

It has body types of its own and shares none with the client, so that a client's mistake shows.
"""
