"""What records say: frames, intervals, comparisons. Never loads torch."""
