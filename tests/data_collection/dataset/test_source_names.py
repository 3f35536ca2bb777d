"""Sources whose names differ in case and punctuation alone are told before they are collected."""

import pytest

from data_collection.collect import collect_dataset
from data_collection.settings import CollectionSettings
from toys.images import encode_image, make_image, write_face_folders


@pytest.mark.parametrize(
    ("names", "is_told"), [(("StyleGAN-2", "stylegan2"), True), (("stylegan2", "stylegan3"), False)]
)
def test_collecting_tells_two_names_of_one_source(names, is_told, tmp_path, capsys):
    write_face_folders(tmp_path / "faces")
    folders = [tmp_path / name for name in names]
    for number, folder in enumerate(folders):
        folder.mkdir()
        for face in range(20):
            image = make_image(1000 * (number + 1) + face, generated=True)
            (folder / f"{face}.png").write_bytes(encode_image(image))
    collect_dataset(
        CollectionSettings(
            data=tmp_path / "data",
            dataset="faces",
            real=(f"folder:{tmp_path / 'faces' / 'real'}",),
            generated=tuple(f"folder:{folder}" for folder in folders),
            image_size=64,
            min_side=64,
            audit=False,
        )
    )
    error = capsys.readouterr().err
    assert ("StyleGAN-2 and stylegan2 count as different sources" in error) == is_told
