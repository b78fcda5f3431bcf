from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from sparcell.measurement.image_features import FILL, OF_IMAGE
from sparcell.models import ModelSpec, Normalise
from sparcell.models.domain import BETWEEN_LABS, FEATURES, FILL_BETWEEN_LABS, MARGIN, Domain


def images(count: int, seed: int = 0) -> list[dict[str, float]]:
    """Features that vary as between laboratories, around 1."""
    rng = np.random.default_rng(seed)
    return [{n: 1 + rng.normal(0, BETWEEN_LABS[n]) for n in FEATURES} for _ in range(count)]


@pytest.mark.parametrize("names", [FEATURES, OF_IMAGE])
def test_the_distance_is_that_of_mahalanobis(names: tuple[str, ...]) -> None:
    domain = Domain.of(images(50))
    assert domain is not None and domain.images == 50
    other = {name: 1.5 + number / 10 for number, name in enumerate(names)}
    centre = [domain.centre[name] for name in names]
    covariance = np.array(domain.covariance)[: len(names), : len(names)]
    away = mahalanobis(list(other.values()), centre, np.linalg.inv(covariance))
    limit = domain.limit if names == FEATURES else domain.limit_of_image
    assert domain.judge(other).distance == pytest.approx(away / np.sqrt(len(names)) / limit)


def test_training_images_fit_and_far_ones_do_not() -> None:
    domain = Domain.of(images(50))
    assert domain is not None
    assert all(domain.judge(image).fits for image in images(50))
    assert sum(not domain.judge(image).fits for image in images(200, seed=1)) <= 4
    for name in FEATURES:
        far = dict.fromkeys(FEATURES, 1.0) | {name: 1 + 12 * BETWEEN_LABS[name]}
        fit = domain.judge(far)
        assert not fit.fits and max(fit.deviations, key=lambda n: fit.deviations[n]) == name


def test_less_noise_does_no_harm() -> None:
    domain = Domain.of(images(50))
    assert domain is not None
    clean = dict.fromkeys(FEATURES, 1.0) | {"noise": -20.0}
    assert domain.judge(clean).distance == pytest.approx(
        domain.judge(dict.fromkeys(FEATURES, 1.0) | {"noise": domain.centre["noise"]}).distance
    )


def test_hollow_objects_are_of_another_kind() -> None:
    # A third of the images at 0.6, the others at 0.8: the limit is MARGIN times as far as these
    # and laboratories together.
    filled = [one | {FILL: 0.6 + 0.2 * (n % 3 > 0)} for n, one in enumerate(images(51))]
    domain = Domain.of(filled)
    least = 0.8 - MARGIN * (0.2**2 + FILL_BETWEEN_LABS**2) ** 0.5
    assert domain is not None and domain.fill == (0.8, pytest.approx(least, abs=1e-4))
    centre = dict(domain.centre)
    near, far = (domain.judge(centre | {FILL: least + off}) for off in (0.01, -0.01))
    assert near == domain.judge(centre) and near.fits
    assert not far.fits and min(far.deviations, key=lambda n: far.deviations[n]) == FILL
    # A model of hollow objects says nothing about them.
    hollow = Domain.of([image | {FILL: -0.1} for image in images(50)])
    assert hollow is not None and hollow.fill is None


def test_few_images_are_no_narrow_domain() -> None:
    for count in (1, 2, 3):
        domain = Domain.of(images(count))
        assert domain is not None
        assert np.mean([domain.judge(image).fits for image in images(200, seed=7)]) > 0.9


def test_images_without_objects_make_no_domain() -> None:
    assert Domain.of([dict.fromkeys(OF_IMAGE, 0.0)]) is None and Domain.of([]) is None


def test_the_model_file_has_it_and_older_ones_do_without() -> None:
    known = {"name": "x", "method": "semantic", "decode": {}, "normalise": Normalise()}
    known |= {"channels": 1, "typical_area": None, "largest_diameter": 9.0}
    assert ModelSpec(**known).domain is None
    spec = ModelSpec(**known, domain=Domain.of(images(5)))
    assert ModelSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("background", "outline_contrast", "expected"),
    [(0.05, 3.0, True), (0.05, -1.0, False), (0.6, 3.0, False)],
    ids=["fluorescence", "bright halos", "bright background"],
)
def test_bright_objects_are_brighter_than_their_rims_and_background(
    background: float, outline_contrast: float, expected: bool
) -> None:
    kind = {"background": background, "outline_contrast": outline_contrast}
    domain = Domain.of([dict.fromkeys(FEATURES, 0.0) | kind])
    assert domain is not None and domain.has_bright_objects is expected
