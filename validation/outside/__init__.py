"""Outside detectors of --against: ONNX files, Python functions and CSV files of probabilities."""
