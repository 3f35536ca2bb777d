"""Say which known generator made an image, or that none of them did."""
