"""Leave every source out in turn: what a detector does on images of sources it has not met."""
