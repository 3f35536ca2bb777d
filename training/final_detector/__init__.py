"""The detector that a search ends with: its heads, its cuts, what is saved, printed, advised."""
