"""Terraform: the program, the state that it keeps, and our infrastructure through both."""
