"""Colours for the frames of a film: seen small, predicted, steadied, and joined with their own luma."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import av
import numpy as np
import torch
from av.video.reformatter import Interpolation
from torch import Tensor

from tintype.batch import Batch
from tintype.video import chroma, steady
from tintype.video.film import Film
from tintype.video.pipeline import ahead, closed
from tintype.video.reading import Frame, Place

MULTIPLE = 16  # which most networks' sizes have to be a multiple of


@dataclass(frozen=True)
class Settings:
    """How a film is coloured. size: pixels of the shorter side of what the network sees; saturation: a factor
    of ab; smoothing: the weight of the past in [0, 1), 0 for none; every: frames from one that the network
    sees to the next.
    """

    size: int = 96
    saturation: float = 1.0
    smoothing: float = 0.9
    every: int = 1


@dataclass(frozen=True)
class Seen:
    """A frame as the network sees it. small: bytes of its Y plane (1, 1, h, w), upright as stored; cut:
    whether a scene begins with it; age: how many frames after one for the network it comes, 0 for that one.
    """

    frame: Frame
    small: Tensor
    cut: bool
    age: int


@dataclass(frozen=True)
class Memory:
    """What colours of later frames depend on: the last frame seen, the network's last answer, the means."""

    place: Place
    small: Tensor
    age: int
    key: Tensor
    answer: Tensor
    past: steady.Remembered


@dataclass(frozen=True)
class Coloured:
    """A frame with its colours, to be encoded, and what the ones after it depend on."""

    picture: av.VideoFrame
    memory: Memory


def small_size(film: Film, size: int) -> tuple[int, int]:
    """Height and width of the small picture: in the shape of the film as it is shown, rounded to 16 pixels.

    It is not larger than the film, but for the rounding.
    """
    width, height = film.width * film.aspect, film.height
    scale = min(1, size / min(width, height))
    return tuple(max(MULTIPLE, round(float(side * scale) / MULTIPLE) * MULTIPLE) for side in (height, width))


def seen(frames: Iterable[Frame], film: Film, settings: Settings, memory: Memory | None) -> Iterator[Seen]:
    """Each frame made small, with the cuts found, and the frames chosen that the network sees."""
    size = small_size(film, settings.size)
    before, age = (memory.small, memory.age) if memory else (None, -1)
    with closed(frames) as source:
        for frame in source:
            small = shrunk(frame.luma, size)
            both = (before, small)
            cut = before is None or steady.is_cut(*(film.levels.lightness(each) for each in both))
            age = 0 if cut else (age + 1) % settings.every
            before = small
            yield Seen(frame, small, cut, age)


def shrunk(luma: np.ndarray, size: tuple[int, int]) -> Tensor:
    """A Y plane, uint8 (H, W), as bytes (1, 1, h, w), each a mean."""
    height, width = size
    grey = av.VideoFrame.from_ndarray(np.ascontiguousarray(luma), "gray")
    small = grey.reformat(width, height, interpolation=Interpolation.AREA).planes[0]
    rows = np.frombuffer(small, np.uint8).reshape(height, small.line_size)[:, :width]
    return torch.from_numpy(rows.copy())[None, None]


def predicted(
    pictures: Iterable[Seen], film: Film, predict: Callable[[Batch], Tensor], workers: int
) -> Iterator[tuple[Seen, Future | None]]:
    """Each frame with the colours that the network is finding for it, ab (1, 2, h, w), in one of its threads.

    None where the frame is not for the network.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="network")
    try:
        with closed(pictures) as source:
            for picture in source:
                work = pool.submit(answer, predict, film, picture.small) if picture.age == 0 else None
                yield picture, work
    except BaseException:  # nobody waits for the answers any more
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


@torch.inference_mode()
def answer(predict: Callable[[Batch], Tensor], film: Film, small: Tensor) -> Tensor:
    """ab (1, 2, h, w) of a small picture, which the network sees upright."""
    L = film.levels.lightness(small).rot90(film.quarters, (2, 3)).contiguous()
    ab = predict(Batch(L, L, L.new_zeros(1, 2, *L.shape[2:])))
    return ab.rot90(-film.quarters, (2, 3)).contiguous()


@torch.inference_mode()
def joined(
    pictures: Iterable[tuple[Seen, Future | None]], film: Film, settings: Settings, memory: Memory | None
) -> Iterator[Coloured]:
    """The coloured frames, in their order."""
    with closed(pictures) as source:
        for picture, work in source:
            memory = remembered(picture, work and work.result(), film, settings, memory)
            ab = memory.past.ab * settings.saturation
            yield Coloured(painted(film, picture, ab), memory)


def remembered(
    picture: Seen, answer: Tensor | None, film: Film, settings: Settings, memory: Memory | None
) -> Memory:
    """What is known after one frame more: `past` has its colours."""
    L = film.levels.lightness(picture.small)
    if answer is None:
        answer, key = memory.answer, memory.key
        ab = steady.carried(film.levels.lightness(key), answer, L)
    else:
        key, ab = picture.small, answer
    past = None if picture.cut else memory.past
    now = steady.steadied(past, L, ab, settings.smoothing)
    return Memory(picture.frame.place, picture.small, picture.age, key, answer, now)


def painted(film: Film, picture: Seen, ab: Tensor) -> av.VideoFrame:
    """The frame, with its own Y plane, byte for byte, and the chroma planes of colours ab (1, 2, h, w)."""
    out = av.VideoFrame(film.width, film.height, film.chroma)
    size = (out.planes[1].height, out.planes[1].width)
    colours = chroma.planes(picture.small, ab, chroma.halved(picture.frame.luma, size), film.levels)
    for plane, values in zip(out.planes, (picture.frame.luma, *colours), strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        rows[: plane.height, : plane.width] = values
    out.pts, out.time_base, out.duration = picture.frame.pts, film.time_base, picture.frame.duration
    out.colorspace, out.color_range = film.levels.matrix, film.levels.range
    return out


def coloured(
    frames: Iterable[Frame],
    film: Film,
    predict: Callable[[Batch], Tensor],
    settings: Settings,
    workers: int,
    memory: Memory | None = None,
) -> Iterator[Coloured]:
    """The frames in colour, found by threads that are a few frames ahead of whoever asks for them.

    predict: Batch of a lightness -> ab, as `tintype.runtimes.Predictor`; it is called in `workers` threads at
    a time. memory: of the frame before the first, where it is not the film's first.
    """
    ready = ahead(seen(frames, film, settings, memory), 2, "decode")
    answers = ahead(predicted(ready, film, predict, workers), workers + 1, "submit")
    return ahead(joined(answers, film, settings, memory), 2, "join")
