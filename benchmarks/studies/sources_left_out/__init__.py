"""Ways of training, compared on sources that they have not met."""
