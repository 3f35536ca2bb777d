"""CollectionSettings: what to gather and what to refuse. The docstrings are the `--help` texts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from runtime import options

SourceOptions = Annotated[tuple[str, ...], tyro.conf.UseAppendAction]


@dataclass(frozen=True)
class PromptSettings:
    """Face descriptions in words, for the generators that ask for them."""

    prompts: str = "gpt"
    """Who writes the prompts: `gpt` (needs OPENAI_API_KEY), `template` (needs nothing), or `file:PATH` (one per line)."""

    prompt_count: int = 50
    """How many different prompts."""

    prompt_model: str = "gpt-6-luna"
    """Model that writes them; any model of the OpenAI API, or of a server named by OPENAI_BASE_URL."""

    prompt_style: Literal["short", "long"] = "short"
    """Short prompts ("a photo of the face of ...") make better faces than long ones."""

    def __post_init__(self) -> None:
        if self.prompt_count < 1:
            raise ValueError(f"--prompt-count is {self.prompt_count}; ask for 1 or more.")


@dataclass(frozen=True)
class GenerationSettings:
    """How Stable Diffusion draws, and how photographs are passed through its model."""

    model: str = "SG161222/Realistic_Vision_V1.4"
    """Model on the Hugging Face hub, or a folder; a source may name another: `stable-diffusion:300@stabilityai/sd-turbo`."""

    steps: int = 25
    """Denoising steps; 1 to 8 for few-step models (`--scheduler lcm`, or a turbo model with `--guidance 0`)."""

    guidance: float = 7.0
    """Classifier-free guidance; 0 switches it off."""

    scheduler: str = "dpm++"
    """`dpm++`, `unipc`, `euler-a`, `ddim`, `lcm`, `tcd`, or `own`: what the model came with."""

    negative_prompt: str = ""
    """What not to draw; empty by default, because long lists of it often make faces worse."""

    generation_size: int = 512
    """Side of drawn pictures, in pixels; a multiple of 8."""

    strength: float = 0.0
    """Of reconstructions: 0 passes a photograph through the autoencoder alone, up to 1 redraws it (image-to-image)."""

    safety_checker: bool = True
    """Use the model's safety checker if it has one; what it blacks out is drawn again with another seed."""

    image_model: str = "gpt-image-2.5-flare"
    """Model of `openai-images`."""

    def __post_init__(self) -> None:
        options.check_ranges(
            self, steps=(1, 1000), guidance=(0, 100), generation_size=(8, 4096), strength=(0, 1)
        )
        if self.generation_size % 8:
            raise ValueError(f"--generation-size is {self.generation_size}; give a multiple of 8.")


@dataclass(frozen=True)
class CollectionSettings:
    """Gather real and generated faces into one data set: canonical pictures, groups, frozen splits, an audit.

    Without options: 700 faces that Stable Diffusion draws from 50 GPT-written prompts, and 700 photographs from Kaggle.
    Run it again at any time: it carries on where it stopped, does nothing twice, and adds what is new.
    """

    recipe: str | None = None
    """`sample` (400 laboratory photographs and 400 faces of a small GAN, from the package index; it shows that an \
installation works), or a TOML file of options, as every run leaves one in its data set. Options given beside it win."""

    real: SourceOptions = ()
    """Photographs: `kaggle:COUNT`, `kaggle:COUNT@OWNER/NAME/versions/N`, `folder:PATH` (also `folder:s3://...`, where a \
name that was fetched once is not looked at again), or `sample`. Repeat the option for more sources. Default: kaggle:700."""

    generated: SourceOptions = ()
    """Generated faces: `stable-diffusion:COUNT`, `stable-diffusion:COUNT@MODEL`, `reconstruction:COUNT`, \
`openai-images:COUNT`, `openai-images:edit:COUNT` (edits of the photographs), `dcgan:COUNT`, or `folder:PATH`. Repeat the \
option for more. Default: stable-diffusion:700."""

    kaggle_draw: Literal["first", "random"] = "first"
    """Which photographs of a Kaggle data set: the first ones by name, or a draw by --seed."""

    facts: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    """CSV about files in folders: a column `file` and any of `prompt`, `person`, `seed`, `generator`, `source_image`. \
Images that share one of these never end up in different splits."""

    prompt_settings: tyro.conf.OmitArgPrefixes[PromptSettings] = field(
        default_factory=PromptSettings
    )

    generation: tyro.conf.OmitArgPrefixes[GenerationSettings] = field(
        default_factory=GenerationSettings
    )

    seed: int = 0
    """Of everything that is drawn: the i-th image of a generator has the seed SEED + i."""

    dataset: str = "faces"
    """Name of the data set; it lies in DATA/DATASET."""

    data: Path = Path("data")
    """Folder of all data sets."""

    logs: Path = Path("logs")
    """Folder of TensorBoard's logs."""

    audit: bool = True
    """Audit the data set at the end: does anything but the face give the label away?"""

    crop: Literal["centre", "face"] = "centre"
    """`centre`: the centre square. `face`: the only face with the same margin for both classes; no face, or several, is a \
rejection."""

    image_size: int = 448
    """Side of the canonical pictures, in pixels."""

    min_side: int = 224
    """Images whose square is smaller, in pixels, are rejected."""

    min_quality: int = 60
    """JPEG files under this estimated quality (1 to 100) are rejected."""

    keep_upscaled: bool = False
    """Keep images that look enlarged; enlarging survives all later processing and gives the source away."""

    validation_share: float = 0.15
    """Share of images for choosing: the head, the threshold, the temperature."""

    hold_out_share: float = 0.15
    """Share of images for judging; opened by python -m validation only."""

    def __post_init__(self) -> None:
        options.check_ranges(
            self, image_size=(32, 2048), min_side=(1, 10_000), min_quality=(0, 100)
        )
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"--seed is {self.seed}; give 0 to {2**31 - 1}.")
        if not (0 < self.validation_share < 1 and 0 < self.hold_out_share < 1):
            raise ValueError("--validation-share and --hold-out-share lie between 0 and 1.")
        if self.validation_share + self.hold_out_share >= 0.9:
            raise ValueError(
                "--validation-share and --hold-out-share leave less than a tenth for training."
            )
        if not self.dataset:
            raise ValueError("--dataset is ''; give a plain name, such as faces.")
        options.check_plain_name("dataset", self.dataset, such_as="faces")

    @property
    def folder(self) -> Path:
        return self.data / self.dataset

    @property
    def shares(self) -> dict[str, float]:
        held = {"validation": self.validation_share, "hold-out": self.hold_out_share}
        return {"train": 1 - sum(held.values()), **held}
