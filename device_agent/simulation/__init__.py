"""A simulated battery in a simulated home, for want of an inverter."""
