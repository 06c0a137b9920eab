"""What will be done: a study becomes cells, a cell becomes trials."""
