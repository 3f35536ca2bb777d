"""Test whether anything but the face gives the label away."""
