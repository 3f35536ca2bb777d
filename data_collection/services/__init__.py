"""Clients of outside services: the OpenAI API, Kaggle, object stores."""
