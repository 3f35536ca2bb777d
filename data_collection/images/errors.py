"""Errors of images that cannot be read or cropped; each message says why."""


class UnreadableImage(ValueError):
    """The bytes are not an image that can be read; the message is the reason."""


class UnknownImageFormat(UnreadableImage):
    """The bytes are not an image of a supported format."""


class UncroppableImage(UnreadableImage):
    """The image is to be cropped to its face but does not show exactly one; the message says how
    many."""
