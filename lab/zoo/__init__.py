"""The kitchen: the modules that the menu's models are made of. A model is a function from Batch to Tensor."""
