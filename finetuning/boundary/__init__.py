"""The boundary below the unfrozen blocks: frozen blocks run once, and their output is kept."""
