"""Read the class of images from the names of the folders that they lie in.

Public data sets hold both classes in one tree. Taken whole under one label, they teach a detector
that half of the generated images are photographs.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from data_collection.dataset.manifest import ImageClass

CLASS_BY_FOLDER_WORD: dict[str, ImageClass] = {
    **dict.fromkeys(
        ("real", "reals", "nature", "human", "humans", "original", "originals"), "real"
    ),
    **dict.fromkeys(("photo", "photos", "photograph", "photographs"), "real"),
    **dict.fromkeys(("generated", "fake", "fakes", "ai", "aigenerated"), "generated"),
    **dict.fromkeys(("synthetic", "deepfake", "deepfakes"), "generated"),
}
"""Words that give the class of the images in a folder, in any capitals."""

SPLIT_WORDS = ("train", "training", "val", "valid", "validation", "test", "testing")
"""Names of folders that divide a public data set; alone they give no class."""

FILLER_WORDS = (
    *SPLIT_WORDS,
    *("image", "images", "picture", "pictures", "photo", "photos", "face", "faces", "data", "art"),
)
"""Words beside the word of the class, as in training_fake, real_images and AiArtData."""

KNOWN_FOLDER_NAMES = "real and fake, 0_real and 1_fake, nature and ai, human and ai, ..."


@dataclass(frozen=True)
class FileClass:
    """The class that the folders of a file name.

    Attributes:
        label: None if no folder names one, or if they contradict each other.
        folder: the innermost folder that names it, below the folder that was given.
        contradictory: whether the folders name both.
    """

    label: ImageClass | None = None
    folder: str = ""
    contradictory: bool = False


def find_folder_class(name: str) -> ImageClass | None:
    """Return the class that a folder's name gives, such as `0_real` or `training_fake`.

    A name that says more, such as `real_vs_fake`, gives none.
    """
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+", name)]
    content = "".join(words)
    if content in CLASS_BY_FOLDER_WORD:
        return CLASS_BY_FOLDER_WORD[content]
    return CLASS_BY_FOLDER_WORD.get("".join(word for word in words if word not in FILLER_WORDS))


def is_split_folder(name: str) -> bool:
    return name.lower() in SPLIT_WORDS


def classify_files(files: Iterable[str]) -> dict[str, FileClass]:
    """Return the class that the folders give, for every path below the folder that was given.

    Folders above one that holds folders of both classes do not count: `photos/real` and
    `photos/fake` are not all photographs.
    """
    class_by_folder: dict[PurePosixPath, FileClass] = {}
    parent_by_file = {file: PurePosixPath(file).parent for file in files}
    folders = {folder for parent in set(parent_by_file.values()) for folder in _list_from(parent)}
    both = _find_folders_of_both_classes(folders)
    for folder in sorted(folders, key=lambda folder: len(folder.parts)):
        above = class_by_folder.get(folder.parent, FileClass())
        class_by_folder[folder] = FileClass() if folder in both else _add_folder(above, folder)
    return {file: class_by_folder[parent] for file, parent in parent_by_file.items()}


def _list_from(folder: PurePosixPath) -> tuple[PurePosixPath, ...]:
    return folder, *folder.parents


def _find_folders_of_both_classes(folders: Iterable[PurePosixPath]) -> set[PurePosixPath]:
    classes: dict[PurePosixPath, set[ImageClass]] = {}
    for folder in folders:
        if label := find_folder_class(folder.name):
            classes.setdefault(folder.parent, set()).add(label)
    return {folder for folder, labels in classes.items() if len(labels) > 1}


def _add_folder(above: FileClass, folder: PurePosixPath) -> FileClass:
    label = find_folder_class(folder.name)
    if label is None or above.contradictory:
        return above
    if above.label not in (None, label):
        return FileClass(None, str(folder), contradictory=True)
    return FileClass(label, str(folder))


def list_contradicting_files(classes: Mapping[str, FileClass], label: ImageClass) -> list[str]:
    """Return the files whose folders name another class than `label`, or both."""
    return [
        file
        for file, found in classes.items()
        if found.contradictory or found.label not in (None, label)
    ]


def find_largest_part(classes: Mapping[str, FileClass], label: ImageClass) -> str:
    """Return the folder of class `label` that holds the most files; empty if there is none."""
    counts: dict[str, int] = {}
    for found in classes.values():
        if found.label == label:
            counts[found.folder] = counts.get(found.folder, 0) + 1
    return max(counts, key=lambda folder: counts[folder], default="")


def name_examples(files: Sequence[str]) -> str:
    """Return the first and the last file, for a message."""
    return files[0] if len(files) == 1 else f"{files[0]} and {files[-1]}"
