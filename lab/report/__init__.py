"""How results are shown. Never loads torch."""
