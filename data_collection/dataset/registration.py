"""Register pairs of thumbnails: lay one over the other by shift, turn and scale, and measure how
alike they are there.

Points are complex numbers, x + iy, from -1 to 1 across a thumbnail. A similarity transform is then
z -> turn * z + shift; the length of `turn` is the scale, its argument the angle.
"""

from dataclasses import dataclass

import numpy as np

MARGIN_PX = 2
"""Pixels along the edges that are not compared: the blur of thumbnails mixes them with a frame."""

MIN_OVERLAP = 0.35
"""Share of the coarser picture that the finer one has to cover."""

COARSE_STEPS, FINE_STEPS = 8, 3
MAX_STEP = 0.1
"""Longest step of shift, turn or scale."""

MIN_COARSE_CORRELATION = 0.9
"""Pairs under this at half the size are given up; of copies the lowest was .95."""


@dataclass(frozen=True)
class Overlay:
    """Transforms from points of the first pictures to those of the second; shape (pairs,)."""

    turns: np.ndarray
    shifts: np.ndarray

    def apply(self, points: np.ndarray) -> np.ndarray:
        return self.turns[:, None] * points + self.shifts[:, None]

    def select(self, chosen: np.ndarray) -> "Overlay":
        return Overlay(self.turns[chosen], self.shifts[chosen])


def measure_likeness(first: np.ndarray, second: np.ndarray, guess: Overlay) -> np.ndarray:
    """Register pairs from a first guess, at half the size, then at full size.

    Args:
        first, second: float32, shape (pairs, side, side).

    Returns:
        Correlations of the grey levels where the pictures overlap, without what a slope and a curve
        of brightness explain; shape (pairs,). Pairs that are given up have 0.
    """
    correlations = np.zeros(len(first), np.float32)
    halves = halve(first), halve(second)
    overlay = _register(*halves, guess, COARSE_STEPS)
    rest = np.flatnonzero(_correlate(*halves, overlay) >= MIN_COARSE_CORRELATION)
    if len(rest):
        coarser, finer, overlay = _put_coarser_first(
            first[rest], second[rest], overlay.select(rest)
        )
        overlay = _register(coarser, finer, overlay, FINE_STEPS)
        correlations[rest] = _correlate(coarser, finer, overlay)
    return correlations


def make_points(side: int) -> np.ndarray:
    """Return the centres of a grid's cells, row by row; complex64, shape (side * side,)."""
    centres = (2 * np.arange(side) + 1) / side - 1
    return (centres[None, :] + 1j * centres[:, None]).ravel().astype(np.complex64)


def halve(pictures: np.ndarray) -> np.ndarray:
    rows = np.add(pictures[:, ::2], pictures[:, 1::2], dtype=np.float32)
    return (rows[:, :, ::2] + rows[:, :, 1::2]) / 4


def _put_coarser_first(
    first: np.ndarray, second: np.ndarray, overlay: Overlay
) -> tuple[np.ndarray, np.ndarray, Overlay]:
    """Exchange the pictures of pairs whose second is the coarser one: fine detail can be looked up
    at coarse points, but coarse detail has no values at fine points."""
    is_finer = np.abs(overlay.turns) < 1
    exchanged = is_finer[:, None, None]
    turns, shifts = overlay.turns, overlay.shifts
    return (
        np.where(exchanged, second, first),
        np.where(exchanged, first, second),
        Overlay(np.where(is_finer, 1 / turns, turns), np.where(is_finer, -shifts / turns, shifts)),
    )


def _register(first: np.ndarray, second: np.ndarray, overlay: Overlay, steps: int) -> Overlay:
    """Improve the overlays by Gauss-Newton steps."""
    side = first.shape[1]
    points, levels = make_points(side), first.reshape(len(first), -1)
    background, stack = _make_background(points), _stack_slopes(second)
    for _ in range(steps):
        values, inside = _sample(stack, overlay.apply(points), side)
        steps_of_pairs = _solve_step(levels, values, inside, points, background)
        overlay = Overlay(
            overlay.turns + steps_of_pairs[:, 0], overlay.shifts + steps_of_pairs[:, 1]
        )
    return overlay


def _correlate(first: np.ndarray, second: np.ndarray, overlay: Overlay) -> np.ndarray:
    """Return correlations, 0 where the pictures hardly overlap or show next to nothing."""
    side = first.shape[1]
    points = make_points(side)
    values, inside = _sample(second.reshape(len(second), -1, 1), overlay.apply(points), side)
    pair = np.concatenate([first.reshape(len(first), -1, 1), values], axis=2) * inside[..., None]
    terms = _make_background(points) * inside[..., None]
    residuals = pair - terms @ _solve_least_squares(terms, pair)
    norms = np.linalg.norm(residuals, axis=1).prod(axis=1)
    correlations = np.sum(residuals[..., 0] * residuals[..., 1], axis=1) / np.maximum(
        norms, len(points)
    )
    return np.where(inside.mean(axis=1) >= MIN_OVERLAP, correlations, 0)


def _make_background(points: np.ndarray) -> np.ndarray:
    """Return polynomials of degree 2, shape (points, 6)."""
    x, y = points.real, points.imag
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)


def _stack_slopes(pictures: np.ndarray) -> np.ndarray:
    """Return grey levels and their slopes across and down; shape (pairs, side * side, 3)."""
    down, across = np.gradient(pictures, axis=(1, 2))
    pixels_per_unit = pictures.shape[1] / 2
    stack = np.stack([pictures, across * pixels_per_unit, down * pixels_per_unit], axis=-1)
    return stack.reshape(len(pictures), -1, 3)


def _sample(stack: np.ndarray, points: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate pictures at points.

    Returns:
        The values, shape (pairs, points, channels), and whether each point and its counterpart lie
        off the edges, as 0 or 1.
    """
    limit = 1 - 2 * MARGIN_PX / side
    inside = _is_within(points, limit) & _is_within(make_points(side), limit)
    x, y = (
        np.clip((part + 1) / 2 * side - 0.5, 0, side - 1.001) for part in (points.real, points.imag)
    )
    left, top = x.astype(np.int32), y.astype(np.int32)
    across, down = (x - left)[..., None], (y - top)[..., None]
    cells = top * side + left + np.arange(len(stack))[:, None] * side**2
    flat = stack.reshape(-1, stack.shape[2])
    upper, lower = (
        flat.take(cells + row, axis=0) * (1 - across) + flat.take(cells + row + 1, axis=0) * across
        for row in (0, side)
    )
    return upper * (1 - down) + lower * down, inside.astype(np.float32)


def _is_within(points: np.ndarray, limit: float) -> np.ndarray:
    return (np.abs(points.real) <= limit) & (np.abs(points.imag) <= limit)


def _solve_step(
    levels: np.ndarray,
    values: np.ndarray,
    inside: np.ndarray,
    points: np.ndarray,
    background: np.ndarray,
) -> np.ndarray:
    """Return the changes of turn and shift that bring the second picture nearest to the first, at
    free contrast and over a free background; complex, shape (pairs, 2)."""
    level, across, down = np.moveaxis(values, 2, 0)
    x, y = points.real, points.imag
    terms = np.empty((*level.shape, 5 + background.shape[1]), np.float32)
    terms[..., 0], terms[..., 1] = across * x + down * y, down * x - across * y
    terms[..., 2], terms[..., 3], terms[..., 4] = across, down, level
    terms[..., 5:] = background
    terms *= inside[..., None]
    solution = _solve_least_squares(terms, (levels * inside)[..., None])[..., 0]
    contrast = np.where(np.abs(solution[:, 4]) < 0.2, 0.2, solution[:, 4])
    steps = np.clip(solution[:, :4] / contrast[:, None], -MAX_STEP, MAX_STEP)
    return steps[:, 0::2] + 1j * steps[:, 1::2]


def _solve_least_squares(terms: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the coefficients of batched least squares, shape (pairs, terms, targets); a slight
    ridge keeps flat pictures solvable."""
    transposed = terms.transpose(0, 2, 1)
    normal = transposed @ terms
    diagonal = np.einsum("ptt->pt", normal)
    ridge = (1e-4 * diagonal + 1e-3)[:, :, None] * np.eye(normal.shape[1], dtype=np.float32)
    return np.linalg.solve(normal + ridge, transposed @ targets)
