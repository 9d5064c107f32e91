"""Export of a trained classifier as ONNX or a TensorFlow SavedModel."""
