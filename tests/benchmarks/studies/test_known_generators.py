"""The study of known generators reads the outputs that a detector's answer is made of."""

import numpy as np
from scipy.special import logsumexp

from benchmarks.studies.known_generators import compute_outputs, render_confusion
from toys.features import FEATURE_COLUMNS, assign_generators, make_toy_features, make_toy_spec
from training.detectors.assembly import EnsembleMember
from training.features.column_selection import compute_column_indices
from training.head_search import heads


def test_the_outputs_of_a_head_combine_to_its_logit():
    features = assign_generators(make_toy_features(), "sd", "gan", "flux")
    spec = make_toy_spec(layers=1, units=32)
    columns = spec.select_columns(FEATURE_COLUMNS)
    head = heads.combine_generator_outputs(heads.build_uncompiled_head(features, columns, spec))
    values = features.validation.values[:, :1]
    outputs = compute_outputs(EnsembleMember(columns, head, 0.5), values)
    assert outputs.shape == (len(values), 3) and np.ptp(outputs, axis=1).max() > 0
    x = values[:, 0][:, compute_column_indices(columns)]
    logits = 0.5 * head.predict(x, verbose=0)[:, 0]
    assert np.allclose(0.5 * (logsumexp(outputs / 0.5, axis=1) - np.log(3)), logits, atol=1e-5)


def test_rows_of_the_table_count_the_images_of_a_generator():
    sources, nearest = np.array(["a", "a", "b", "b", "b"]), np.array(["a", "b", "b", "b", "a"])
    lines = render_confusion(sources, nearest, ("a", "b")).strip().split("\n")
    assert [line.strip("| ") for line in lines[2:]] == ["a | 1 | 1", "b | 1 | 2"]
