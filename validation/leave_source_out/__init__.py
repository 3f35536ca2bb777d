"""Leave every source out in turn: what a detector does on sources it was not trained on."""
