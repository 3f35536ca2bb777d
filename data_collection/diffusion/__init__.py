"""The Stable Diffusion engine: locate, load and run models. It knows nothing of data sets."""
