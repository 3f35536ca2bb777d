"""The only place that decodes, crops, resizes or encodes an image.

Collection, training, validation and detection all see pixels through `decode` and `canonical_face`,
so no class and no room can be told apart by the way its pictures were handled.
"""

import warnings

from PIL import Image

from data_collection.images.decode import MAX_IMAGE_PIXELS

# Pillow warns at this size and decodes all the same; here the warning is the refusal.
Image.MAX_IMAGE_PIXELS = MAX_IMAGE_PIXELS
warnings.filterwarnings(
    "ignore", module=r"PIL\."
)  # of strangers' metadata, thousands for one picture
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
