"""Measured statistics match signals of known properties."""

import numpy as np
import pytest

from data_collection.audit_report import image_statistics


def test_a_period_of_four_pixels_is_a_dot_at_a_quarter_of_a_cycle():
    waves = 100 + 40 * np.cos(2 * np.pi * np.arange(64) / 4)[None, :].repeat(64, axis=0)
    power = image_statistics.compute_power_spectrum(waves)
    assert np.unravel_index(power.argmax(), power.shape) in [(32, 16), (32, 48)]
    frequency = np.fft.fftshift(np.fft.fftfreq(64))
    assert abs(frequency[16]) == abs(frequency[48]) == 0.25


def test_grain_has_equal_power_at_every_frequency_and_twenty_times_its_variance_in_the_laplacian():
    grain = 128 + 5 * np.random.default_rng(0).standard_normal((256, 256))
    # A mean of logarithms lies 2.5 dB under the logarithm of the mean.
    assert image_statistics.compute_radial_profile(image_statistics.compute_power_spectrum(grain))[
        32:
    ] == pytest.approx(10 * np.log10(25) - 2.5, abs=1)
    assert image_statistics.compute_laplacian_variance(grain) == pytest.approx(20 * 25, rel=0.03)
