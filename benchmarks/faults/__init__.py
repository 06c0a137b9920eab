"""The planted-fault benchmark: runs with one known fault each, and what the rules say of them."""
