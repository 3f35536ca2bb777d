"""Toy data, toy models and loopback servers, shared by the tests."""
