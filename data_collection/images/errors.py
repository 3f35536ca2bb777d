"""Errors of images that cannot be read, or not for want of one face; each message says why."""


class UnreadableImage(ValueError):
    """The bytes are not an image that can be read; the message is the reason."""


class UnknownImageFormat(UnreadableImage):
    """The bytes are not an image of a supported format."""


class NotEnoughMemory(UnreadableImage):
    """Decoding takes more memory than there is, which need not be the image's fault."""


class NoSingleFace(UnreadableImage):
    """The image does not show exactly one face; the message says how many were found.

    Args:
        count: number of faces.
    """

    def __init__(self, count: int):
        super().__init__(f"{count} faces found" if count else "no face found")
        self.count = count
