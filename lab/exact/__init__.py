"""Exact facts of small structured graphs: integers and modular arithmetic, no training and no torch."""
