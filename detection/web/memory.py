"""Return the memory of large images to the operating system."""

import ctypes
import platform

LARGE_BLOCK_BYTES = 4 * 2**20
"""A block of memory of this size or more is mapped on its own, and unmapped when it is freed."""

_M_MMAP_THRESHOLD = -3
"""The parameter's number in glibc's malloc.h."""


def return_large_blocks() -> None:
    """Let the C library give back each large block as soon as it is freed.

    By default, glibc raises the size of such blocks up to 32 MB when a program frees one, and keeps
    the smaller ones for each thread: a page that had judged a few images of 25 megapixels held
    three times as much memory ever after. Other C libraries are left as they are.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
