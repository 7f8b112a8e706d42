"""PCA lighting against the published axes of ImageNet's colours."""

import torch

from fishnet_search.train.lighting import EIGENVALUES_3, EIGENVECTORS_33, draw_lighting


def drawn(images, deviation=0.1, seed=0):
    return draw_lighting(images, deviation, torch.Generator().manual_seed(seed))


def test_the_axes_are_at_right_angles_and_the_longest_is_that_of_brightness():
    torch.testing.assert_close(EIGENVECTORS_33.T @ EIGENVECTORS_33, torch.eye(3), rtol=0, atol=1e-4)
    assert EIGENVALUES_3.argmax() == 0
    assert len(set(EIGENVECTORS_33[:, 0].sign().tolist())) == 1  # all channels together


def test_each_image_is_moved_along_each_axis_by_a_normal_number_times_its_length():
    """As facebook/fb.resnet.torch: the sum over the axes of alpha * eigenvalue * eigenvector."""
    shifts = drawn(5)
    alphas = 0.1 * torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    for shift, alpha in zip(shifts, alphas, strict=True):
        expected = sum(alpha[i] * EIGENVALUES_3[i] * EIGENVECTORS_33[:, i] for i in range(3))
        torch.testing.assert_close(shift, expected)


def test_the_shifts_have_the_covariance_of_imagenets_colours_a_hundredth_as_large():
    covariance = drawn(200_000).double().T.cov()
    axes, lengths = EIGENVECTORS_33.double(), EIGENVALUES_3.double()
    expected = axes @ torch.diag((0.1 * lengths) ** 2) @ axes.T
    torch.testing.assert_close(covariance, expected, rtol=0.02, atol=1e-6)


def test_twice_the_deviation_moves_twice_as_far():
    torch.testing.assert_close(drawn(4, 0.2), 2 * drawn(4, 0.1))
