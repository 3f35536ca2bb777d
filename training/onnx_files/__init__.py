"""ONNX files of models: written from Keras, compared with it, and run without TensorFlow."""
