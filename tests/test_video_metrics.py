"""What the figures of video promise: closed forms, and scipy's divergence."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.spatial.distance import jensenshannon
from skimage import data

from tintype import images, video_metrics
from tintype.video_metrics import color_consistency, visible, warp_error

CLIP = Path(__file__).parents[2] / "shared" / "data" / "clip_blackswan"


def noise(seed: int, frames: int, height: int = 12, width: int = 17) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def flat(*colours: tuple[int, int, int]) -> np.ndarray:
    return np.array(colours, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 6, 1), dtype=np.uint8)


def constant(u: float, v: float, height: int, width: int) -> np.ndarray:
    return np.broadcast_to(np.array([u, v], dtype=np.float32), (height, width, 2))


def moved(picture: np.ndarray, x: int, y: int) -> np.ndarray:
    """A window onto a picture, 20 pixels from its edges, less a shift: things in it move by (x, y)."""
    return picture[20 - y : 84 - y, 20 - x : 100 - x]


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return data.astronaut()[:120, 150:290]


def test_a_still_video_is_steady_whatever_its_colours():
    assert color_consistency(np.repeat(noise(0, 1), 7, axis=0)) == 0
    shuffled = noise(0, 1).reshape(-1, 3)
    frames = [np.random.default_rng(seed).permutation(shuffled).reshape(12, 17, 3) for seed in range(6)]
    assert color_consistency(frames) == 0  # only how often each value is there counts


def test_two_histograms_by_hand():
    # A channel that jumps from one value to another and back, each frame: log 2 where t is 1, else 0.
    jumping = flat(*[(10, 20, 30), (200, 20, 30)] * 3)
    assert color_consistency(jumping) == pytest.approx(math.log(2) / 3 / 3)
    # Half of the pixels move on to a value that was not there, once, and the other frames are alike.
    frames = np.zeros((6, 4, 6, 3), dtype=np.uint8)
    frames[3:, :2, :, 1] = 77
    # Shares (1, 0) and (1/2, 1/2), between them (3/4, 1/4).
    one = (math.log(4 / 3) + math.log(2 / 3) / 2 + math.log(2) / 2) / 2
    # Of the 5 pairs one apart it splits 1, of the 4 two apart 2, of the 2 four apart both.
    assert color_consistency(frames) == pytest.approx(one * (1 / 5 + 2 / 4 + 1) / 3 / 3)


def test_it_is_scipys_divergence_squared():
    frames = noise(1, 9) // 3
    shares = [[np.bincount(frame[..., c].ravel(), minlength=256) for c in range(3)] for frame in frames]
    means = [
        np.mean([jensenshannon(shares[i][c], shares[i + t][c]) ** 2 for i in range(9 - t) for c in range(3)])
        for t in (1, 2, 4)
    ]
    assert color_consistency(frames) == pytest.approx(np.mean(means), rel=1e-12)
    assert color_consistency(iter(frames)) == color_consistency(frames)
    assert 0 < color_consistency(frames) < math.log(2)


def test_a_long_video_takes_the_memory_of_a_few_histograms(monkeypatch):
    alive, most = set(), 0

    class Watched(np.ndarray):
        pass

    def frames():
        for number in range(50):
            nonlocal most
            frame = noise(number, 1)[0].view(Watched)
            alive.add(id(frame))
            most = max(most, len(alive))
            yield frame
            alive.discard(id(frame))

    kept = []
    divergence = video_metrics._divergence
    monkeypatch.setattr(video_metrics, "_divergence", lambda p, q: kept.append(p.shape) or divergence(p, q))
    color_consistency(frames())
    assert most == 1 and set(kept) == {(3, 256)} and len(kept) == 49 + 48 + 46


@pytest.mark.skipif(not CLIP.exists(), reason="the real clip is not beside this project")
def test_flicker_of_colours_is_seen_in_a_real_clip():
    files = sorted(path for path in CLIP.iterdir() if path.suffix in (".jpg", ".png"))[:8]
    grey = [images.decode(file) for file in files]
    tinted = [np.clip(frame * [1.0, 0.9, 0.7], 0, 255).astype(np.uint8) for frame in grey]
    flicker = [
        np.clip(frame * [1.0, 0.9, 0.7 + 0.2 * (number % 2)], 0, 255).astype(np.uint8)
        for number, frame in enumerate(grey)
    ]
    assert 0 < color_consistency(tinted) < color_consistency(flicker) / 2


def test_what_moves_with_its_true_flow_has_no_error(picture):
    before, after = moved(picture, 0, 0), moved(picture, 5, -3)
    backward = constant(-5, 3, *after.shape[:2])
    everywhere = np.ones(after.shape[:2], dtype=bool)
    assert warp_error(before, after, backward, everywhere) == 0
    assert warp_error(after, before, -backward, everywhere) == 0
    still = warp_error(before, after, 0 * backward, everywhere)
    assert still == pytest.approx(np.square(before / 255 - after / 255).mean(), rel=1e-12) and still > 0.01


def test_flat_frames_differ_by_their_colours_alone():
    before, after = flat((100, 100, 100), (110, 100, 95))
    anywhere = np.random.default_rng(0).uniform(-1, 1, (4, 6, 2))
    everywhere = np.ones((4, 6), dtype=bool)
    assert warp_error(before, before, anywhere, everywhere) == pytest.approx(0, abs=1e-30)
    expected = (10**2 + 0 + 5**2) / 3 / 255**2
    assert warp_error(before, after, anywhere, everywhere) == pytest.approx(expected)


def test_only_visible_pixels_count_and_none_from_outside(picture):
    before, after = moved(picture, 0, 0), moved(picture, 4, 0).copy()
    backward = constant(-4, 0, *after.shape[:2])
    everywhere = np.ones(after.shape[:2], dtype=bool)
    after[:, :4] = 255 - after[:, :4]  # comes from beyond the left edge
    assert warp_error(before, after, backward, everywhere) == 0
    after[10:20, 30:40] = 0
    assert warp_error(before, after, backward, everywhere) > 0
    everywhere[10:20, 30:40] = False
    assert warp_error(before, after, backward, everywhere) == 0
    assert math.isnan(warp_error(before, after, backward, np.zeros_like(everywhere)))


def test_between_pixels_values_are_scipys(picture):
    before, after = moved(picture, 0, 0), moved(picture, 1, 1)
    height, width = after.shape[:2]
    flow = np.random.default_rng(1).uniform(-3, 3, (height, width, 2))
    rows, columns = np.mgrid[:height, :width]
    places = [rows + flow[..., 1], columns + flow[..., 0]]
    inside = (places[0] >= 0) & (places[0] <= height - 1) & (places[1] >= 0) & (places[1] <= width - 1)
    warped = np.stack([map_coordinates(before[..., c] / 255, places, order=1) for c in range(3)], axis=2)
    expected = np.square(warped - after / 255)[inside].mean()
    assert warp_error(before, after, flow, np.ones((height, width), dtype=bool)) == pytest.approx(expected)


def test_what_a_moving_square_uncovers_was_not_visible_before():
    # A square of side 8 moves to the right by 6 over ground that stands still.
    forward, backward = np.zeros((2, 20, 30, 2))
    forward[6:14, 8:16, 0], backward[6:14, 14:22, 0] = 6, -6
    seen = visible(forward, backward)
    expected = np.ones((20, 30), dtype=bool)
    expected[6:14, 8:14] = False  # the flow from there to the frame before says ground, and back: the square
    assert (seen == expected).all()


@pytest.mark.parametrize(("gap", "seen"), [(0.7, True), (0.72, False), (1.2, False)])
def test_flows_may_disagree_by_half_a_square_pixel_and_a_hundredth_of_their_squares(gap, seen):
    # 0.5 = 0.707^2; of flows that are 10 long 0.5 + 0.01 (100 + 100) = 2.5 = 1.58^2.
    assert (visible(constant(gap, 0, 5, 5), constant(0, 0, 5, 5)) == seen)[2, 2]
    wide = visible(constant(-10 + 2 * gap, 0, 5, 40), constant(10, 0, 5, 40))
    lengths = (10 - 2 * gap) ** 2 + 100
    assert wide[2, 2] == ((2 * gap) ** 2 < 0.01 * lengths + 0.5)
    assert not wide[:, 30:].any() and wide[:, :30].all() == wide[2, 2]


def test_frames_and_flows_of_other_kinds_are_refused():
    frame, flow, everywhere = noise(0, 1)[0], np.zeros((12, 17, 2)), np.ones((12, 17), dtype=bool)
    with pytest.raises(ValueError, match="found a video of less than 5 frames"):
        color_consistency(noise(0, 4))
    with pytest.raises(TypeError, match="found a float64 frame"):
        color_consistency([frame / 255] * 6)
    with pytest.raises(ValueError, match=r"found a frame of shape \(12, 17\)"):
        color_consistency([frame[..., 0]] * 6)
    with pytest.raises(ValueError, match="all must agree"):
        warp_error(frame, frame[1:], flow, everywhere)
    with pytest.raises(ValueError, match=r"\(12, 17, 2\) is needed"):
        warp_error(frame, frame, flow[1:], everywhere)
    with pytest.raises(ValueError, match="not finite"):
        visible(flow, flow + np.nan)
    with pytest.raises(ValueError, match="they must agree"):
        visible(flow, flow[1:])
