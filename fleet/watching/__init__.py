"""What is wrong with the fleet, when people are told of it, and in which words."""
