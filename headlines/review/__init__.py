"""Reviews: which predictions people should check, their labels, and how accurate the model is."""
