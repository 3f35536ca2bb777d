"""The report page, the model card, metrics.json and TensorBoard's summaries."""
