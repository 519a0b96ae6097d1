"""What superpixels promise: connected regions that follow edges, the same each time; and means over them."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from tintype.regions import means, merged, superpixels


def halves(height: int = 24, width: int = 36, contrast: float = 60) -> torch.Tensor:
    """Lightness (1, H, W): dark left of a slanted edge, light right of it, and a little noise."""
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    noise = torch.rand(1, height, width, generator=torch.Generator().manual_seed(0))
    return 20 + contrast * (column > width / 3 + row / 2) + noise


def test_regions_are_connected_and_numbered_without_gaps():
    labels = superpixels(halves(), pixels=50)
    assert labels.shape == (24, 36) and labels.dtype == torch.int64
    number = int(labels.max()) + 1
    assert labels.unique().tolist() == list(range(number))
    assert all(ndimage.label(labels.numpy() == label)[1] == 1 for label in range(number))


@pytest.mark.parametrize("pixels", [20, 60, 200])
def test_regions_are_about_as_large_as_wished(pixels):
    flat = torch.full((1, 60, 60), 50.0)
    number = int(superpixels(flat, pixels).max()) + 1
    assert number == pytest.approx(3600 / pixels, rel=0.35)


def test_one_region_where_the_whole_picture_is_wished():
    assert (superpixels(halves(), pixels=10_000) == 0).all()


@pytest.mark.parametrize("contrast", [60, 600])
def test_no_region_reaches_over_an_edge(contrast):
    planes = halves(contrast=contrast)
    labels = superpixels(planes, pixels=40)
    light = (planes[0] > 40).float()[None]
    share = means(light, labels)
    assert share.round().unique().tolist() == [0, 1]
    assert torch.minimum(share, 1 - share).max() < 0.1


def test_compactness_is_in_units_of_lab_whatever_the_contrast_of_the_picture():
    """A step of 2 units is an edge at m = 1 and none at m = 100, beside a white spot as without it."""
    planes = 50 + 2 * (torch.arange(40) > 13).float().expand(1, 40, 40)
    spotted = planes.clone()
    spotted[0, -1, -1] = 100
    for one in (planes, spotted):
        light = (planes > 51).float()
        mixed = [
            float(torch.minimum(share, 1 - share).max())
            for share in (means(light, superpixels(one, 100, compactness)) for compactness in (1, 100))
        ]
        assert mixed[0] < 0.02 and mixed[1] > 0.2


def test_colours_alone_make_edges():
    lab = torch.full((3, 30, 30), 50.0)
    lab[1, :, :11], lab[1, :, 11:] = -40, 40
    labels = superpixels(lab, pixels=60)
    assert set(labels[:, :11].unique().tolist()).isdisjoint(labels[:, 11:].unique().tolist())


def test_the_same_planes_make_the_same_regions_and_stay_as_they_were():
    planes = halves()
    before = planes.clone()
    assert torch.equal(superpixels(planes, 50), superpixels(planes.clone(), 50))
    assert torch.equal(planes, before)


@pytest.mark.parametrize(
    ("planes", "pixels", "compactness", "match"),
    [
        (torch.zeros(8, 8), 4, 10.0, r"float \(C, H, W\)"),
        (torch.zeros(1, 8, 8, dtype=torch.uint8), 4, 10.0, r"float \(C, H, W\)"),
        (torch.zeros(1, 8, 8), 0, 10.0, "area of 0"),
        (torch.zeros(1, 8, 8), 4, 0.0, "compactness 0"),
        (torch.zeros(1, 8, 8), 4, float("nan"), "compactness nan"),
        (torch.full((1, 8, 8), float("nan")), 4, 10.0, "NaN"),
    ],
)
def test_what_has_no_regions_is_refused(planes, pixels, compactness, match):
    with pytest.raises(ValueError, match=match):
        superpixels(planes, pixels, compactness)


def test_means_are_the_ones_on_paper():
    labels = torch.tensor([[0, 0, 1], [0, 2, 1]])
    values = torch.tensor([[[1.0, 2, 10], [6, -5, 20]], [[0, 0, 1], [0, 7, 0]]])
    torch.testing.assert_close(means(values, labels), torch.tensor([[3.0, 15, -5], [0, 0.5, 7]]))


def test_means_of_many_pixels_keep_their_digits():
    values = torch.full((1, 512, 512), 0.1)
    assert means(values, torch.zeros(512, 512, dtype=torch.int64)).item() == np.float32(0.1)


def test_means_refuse_other_shapes_and_unused_labels():
    with pytest.raises(ValueError, match="differ"):
        means(torch.zeros(1, 4, 5), torch.zeros(5, 4, dtype=torch.int64))
    with pytest.raises(ValueError, match="label 1"):
        means(torch.zeros(1, 1, 2), torch.tensor([[0, 2]]))


# Regions that are alike


def test_an_even_surface_is_one_region_and_another_is_another():
    planes = torch.full((1, 24, 24), 30.0)
    planes[..., 12:] = 50.0
    labels = superpixels(planes, 16)
    assert len(labels.unique()) > 10
    joined = merged(labels, planes, 4.0)
    assert joined.unique().tolist() == [0, 1]
    assert len(joined[:, :12].unique()) == len(joined[:, 12:].unique()) == 1
    assert len(merged(labels, planes, 25.0).unique()) == 1
    assert torch.equal(merged(joined, planes, 4.0), joined)


def test_what_is_alike_but_does_not_touch_stays_apart():
    planes = torch.full((1, 12, 36), 30.0)
    planes[..., 12:24] = 80.0
    joined = merged(superpixels(planes, 16), planes, 4.0)
    assert len(joined.unique()) == 3


def test_steps_of_colour_count_as_those_of_lightness_do():
    planes = torch.full((3, 12, 24), 30.0)
    planes[2, :, 12:] = 40.0
    labels = superpixels(planes, 16)
    assert [len(merged(labels, planes, apart).unique()) for apart in (9.0, 11.0)] == [2, 1]
