"""What may change a training step: each a function of arrays, off unless `fit` asks for it."""
