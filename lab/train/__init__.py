"""How a pack of trials is trained: one loop, which knows nothing of studies, files or servers."""
