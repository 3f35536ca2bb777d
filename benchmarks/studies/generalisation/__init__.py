"""What helps against generators that a head has not met? It writes docs/generalisation.md."""
