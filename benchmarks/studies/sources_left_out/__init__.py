"""Ways of training, compared on sources that they were not trained on."""
