"""A recipe gives the same options as typing them; options typed beside it override it."""

import re
from pathlib import Path

import pytest

from data_collection import recipes
from data_collection.settings import CollectionSettings, GenerationSettings, PromptSettings
from runtime import console


def test_options_typed_beside_a_recipe_win_and_sources_add_up(tmp_path):
    sample = recipes.parse_collection_settings(["--recipe", "sample"])
    assert (sample.dataset, sample.image_size, sample.real, sample.generated) == (
        "sample",
        64,
        ("sample",),
        ("dcgan:400",),
    )
    more = recipes.parse_collection_settings(
        ["--recipe=sample", "--dataset", "mine", "--image-size", "448", "--real", "folder:x"]
    )
    assert (more.dataset, more.image_size, more.real) == ("mine", 448, ("sample", "folder:x"))


def test_a_recipe_that_says_where_to_write_is_told_with_the_folder(tmp_path, capsys):
    recipe = tmp_path / "handed-on.toml"
    for line, folder, logs in (
        ('data = "/elsewhere"', "/elsewhere/faces", "logs"),
        ('logs = "/elsewhere"', "data/faces", "/elsewhere"),
    ):
        recipe.write_text(line)
        recipes.parse_collection_settings(["--recipe", str(recipe)])
        assert f"says where to write: to {folder}, logs to {logs}." in capsys.readouterr().err
    recipes.parse_collection_settings(["--recipe", "sample"])
    assert capsys.readouterr().err == ""


def test_a_run_leaves_a_recipe_that_means_the_same_options(tmp_path):
    settings = CollectionSettings(
        real=('folder:my "photos"',),
        generated=("stable-diffusion:30@some/model", "dcgan:4"),
        facts=(Path("a.csv"),),
        prompt_settings=PromptSettings(prompts="template", prompt_count=7),
        generation=GenerationSettings(
            steps=4, guidance=0.0, negative_prompt="blurred, grün", safety_checker=False
        ),
        keep_upscaled=True,
        seed=9,
        data=tmp_path,
    )
    recipes.write_recipe(settings)
    again = recipes.parse_collection_settings(
        ["--recipe", str(settings.folder / "recipe.toml"), "--data", str(tmp_path)]
    )
    assert again == CollectionSettings(
        **{**vars(settings), "recipe": str(settings.folder / "recipe.toml")}
    )


def test_every_run_that_added_something_leaves_a_recipe_of_its_own(tmp_path):
    for source, something_new in (("a", False), ("b", True), ("a", True), ("c", False)):
        recipes.write_recipe(
            CollectionSettings(real=(f"folder:{source}",), data=tmp_path), something_new
        )
    saved = {
        path.name: recipes.read_recipe(str(path))["real"] for path in (tmp_path / "faces").iterdir()
    }
    assert saved == {"recipe.toml": ["folder:a"], "recipe-2.toml": ["folder:b"]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("real = [", "is not a TOML file"), ("[drawing]\nsteps = 3", "has a section [drawing]")],
)
def test_a_recipe_that_cannot_be_read_is_refused_in_a_sentence(tmp_path, text, sentence):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(console.PlainError, match=re.escape(sentence)):
        recipes.parse_collection_settings(["--recipe", str(tmp_path / "mine.toml")])


def test_a_misspelt_option_in_a_recipe_ends_like_one_that_was_typed(tmp_path):
    (tmp_path / "mine.toml").write_text("image_sice = 64\n")
    with pytest.raises(console.PlainError, match="did you mean --image-size?"):
        recipes.parse_collection_settings(["--recipe", str(tmp_path / "mine.toml")])
