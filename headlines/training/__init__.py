"""Training of models, pretrained vectors and sweeps."""
