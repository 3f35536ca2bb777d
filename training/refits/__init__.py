"""Heads trained again without some images: their scores set cuts and judge sources left out."""
