"""Choose the saved detector that answers, and list all of them."""
