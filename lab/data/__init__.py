"""Where graphs come from, and how they reach a model: dense batches cut from packed tensors on the device."""
