"""What finding duplicates promises: the pairs that comparing all with all finds, pictures known again."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from skimage import data

from tintype import duplicates
from tintype.duplicates import alike, same, signature

few = settings(derandomize=True, max_examples=30, deadline=None)
PHOTOGRAPHS = {name: getattr(data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")}
BITS = 4  # as params.yaml has it


def compared(hashes: np.ndarray, thumbnails: np.ndarray, groups: np.ndarray, bits: int) -> list[int]:
    """What `alike` promises, by comparing all with all."""
    first = []
    for one in range(len(hashes)):
        near = (
            other
            for other in range(one)
            if (int(hashes[one]) ^ int(hashes[other])).bit_count() <= bits
            and groups[one] != groups[other]
            and max(abs(int(a) - int(b)) for a, b in zip(thumbnails[one], thumbnails[other], strict=True))
            <= 16
        )
        first.append(next(near, one))
    return first


def families(seed: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hashes, thumbnails and groups of pictures, most of them near an earlier one in one or all of these."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(2**64, size=count, dtype=np.uint64)
    thumbnails, groups = rng.integers(256, size=(count, 48)), rng.integers(2**32, size=count)
    for number in range(1, count):
        if rng.random() < 0.9:
            other = rng.integers(number)
            # Up to a dozen bits differ, crowded into few bands or spread over all.
            places = rng.integers(rng.choice([8, 20, 64]), size=rng.integers(13)).astype(np.uint64)
            hashes[number] = hashes[other] ^ np.bitwise_xor.reduce(np.uint64(1) << places, initial=0)
            furthest = rng.choice([0, 13, 16, 17, 20])
            thumbnails[number] = thumbnails[other] + rng.integers(-furthest, furthest + 1, 48)
            groups[number] = groups[other] if rng.random() < 0.3 else groups[number]
    return hashes, thumbnails.clip(0, 255).astype(np.uint8), groups


@pytest.mark.parametrize("bits", range(9))
def test_alike_finds_what_comparing_all_with_all_finds(bits):
    for seed in range(12):
        for count in (0, 1, 2, 100):
            pictures = families(seed, count)
            found = alike(*pictures, bits)
            assert found.dtype == np.int64
            assert found.tolist() == compared(*pictures, bits)


@pytest.mark.parametrize("bits", range(9))
def test_the_made_up_pictures_hold_every_case_that_alike_has_to_tell_apart(bits):
    """So that the test above cannot pass by finding nothing, or by looking at one thing only."""
    hashes, thumbnails, groups = families(1, 100)
    found = compared(hashes, thumbnails, groups, bits)
    assert found != list(range(100))
    assert found != compared(hashes, thumbnails, np.arange(100), bits)
    assert found != compared(hashes, np.zeros_like(thumbnails), groups, bits)
    assert found != compared(hashes, thumbnails, groups, bits + 1)


@pytest.mark.parametrize("rows", [1, 2, 7, 1000])
def test_many_pictures_with_one_band_in_common_are_compared_in_parts(monkeypatch, rows):
    monkeypatch.setattr(duplicates, "_ROWS", rows)
    hashes, thumbnails, groups = families(2, 60)
    hashes &= np.uint64(0xFFFF)  # of 8 bands, 6 are those of everybody
    thumbnails //= 8
    assert alike(hashes, thumbnails, groups, 7).tolist() == compared(hashes, thumbnails, groups, 7)


def test_one_bit_in_any_place_is_found_where_one_may_differ():
    for place in range(64):
        hashes = np.array([0, 1 << place], np.uint64)
        thumbnails, groups = np.zeros((2, 48), np.uint8), np.arange(2)
        assert alike(hashes, thumbnails, groups, 1).tolist() == [0, 0]
        assert alike(hashes, thumbnails, groups, 0).tolist() == [0, 1]


@pytest.mark.parametrize(("levels", "expected"), [(16, [0, 0]), (17, [0, 1])])
@pytest.mark.parametrize("order", [1, -1])
def test_thumbnails_may_differ_by_16_levels_upwards_and_downwards(levels, expected, order):
    thumbnails = np.full((2, 48), 100, np.uint8)
    thumbnails[1, 47] += levels
    hashes, groups = np.zeros(2, np.uint64), np.arange(2)
    assert alike(hashes, thumbnails[::order], groups, 4).tolist() == expected


def test_pictures_of_one_group_are_never_alike():
    hashes, thumbnails = np.zeros(4, np.uint64), np.zeros((4, 48), np.uint8)
    assert alike(hashes, thumbnails, np.array([5, 5, 5, 5]), 8).tolist() == [0, 1, 2, 3]
    # The first of another group, not the first of all.
    assert alike(hashes, thumbnails, np.array([5, 5, 6, 5]), 8).tolist() == [0, 1, 0, 2]


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0, 1, 2**64 - 1])), max_size=12))
@few
def test_same_gives_the_first_with_the_same_digest(digests):
    array = np.array(digests, np.uint64).reshape(-1, 2)
    found = same(array)
    assert found.dtype == np.int64
    assert found.tolist() == [digests.index(digest) for digest in digests]


def looks_like(one: np.ndarray, other: np.ndarray) -> bool:
    hashes, thumbnails = zip(signature(one), signature(other), strict=True)
    found = alike(np.array(hashes, np.uint64), np.stack(thumbnails), np.arange(2), BITS)
    return found[1] == 0


def jpeg(rgb: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


CHANGES = {
    "compressed": lambda rgb: jpeg(rgb, 50),
    "compressed twice": lambda rgb: jpeg(jpeg(rgb, 70), 50),
    "half size": lambda rgb: np.array(Image.fromarray(rgb).resize((rgb.shape[1] // 2, rgb.shape[0] // 2))),
    "brighter": lambda rgb: (rgb * 1.05).clip(0, 255).astype(np.uint8),
    "darker": lambda rgb: (rgb * 0.95).astype(np.uint8),
    "a row less": lambda rgb: np.ascontiguousarray(rgb[1:]),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_photograph_is_known_again_after(name, change):
    rgb = PHOTOGRAPHS[name]
    assert looks_like(rgb, CHANGES[change](rgb))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_another_photograph_a_mirror_image_and_a_negative_are_not_taken_for_it(name):
    rgb = PHOTOGRAPHS[name]
    others = [other for title, other in PHOTOGRAPHS.items() if title != name]
    for other in [*others, np.ascontiguousarray(rgb[:, ::-1]), 255 - rgb]:
        assert not looks_like(rgb, other)


def test_recoloured_copies_of_a_drawing_are_different_pictures():
    # Of one lightness, L 60 within 1: the hash is blind to what tells them apart.
    colours = {
        "red": (233, 109, 109),
        "green": (61, 163, 61),
        "blue": (110, 142, 230),
        "grey": (145, 145, 145),
    }
    drawings = {}
    for name, colour in colours.items():
        image = Image.new("RGB", (96, 96), "white")
        ImageDraw.Draw(image).ellipse((8, 8, 80, 88), fill=colour, outline="black", width=4)
        drawings[name] = np.array(image)
    for name, drawing in drawings.items():
        assert looks_like(drawing, jpeg(drawing, 90))
        assert not any(looks_like(drawing, other) for title, other in drawings.items() if title != name)


def test_a_signature_is_64_bits_and_the_mean_colours_of_16_fields():
    rng = np.random.default_rng(0)
    fields = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    number, thumbnail = signature(fields.repeat(8, axis=0).repeat(8, axis=1))
    assert 0 < number < 2**64
    assert thumbnail.dtype == np.uint8
    np.testing.assert_array_equal(thumbnail, fields.reshape(-1))


def test_the_hash_is_the_signs_of_the_lowest_64_waves_about_their_median():
    from scipy.fft import dctn

    small = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    waves = dctn(small.mean(axis=2), norm=None)[:8, :8].reshape(-1)
    bits = "".join("01"[int(wave > np.median(waves))] for wave in waves)
    assert signature(small)[0] == int(bits, 2)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (700, 2), (31, 33)])
def test_a_picture_of_any_size_has_a_signature(size):
    width, height = size
    rgb = np.random.default_rng(2).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert looks_like(rgb, rgb.copy())
