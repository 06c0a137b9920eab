"""What may be said: the menu of models, datasets, probes and rules, and the files that order from it."""
