"""The cuts between the three answers, set over groups of images, and what they promise."""
