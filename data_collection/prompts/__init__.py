"""Text prompts that describe faces: written by GPT, from templates, or read from a file."""
