"""Tiny films for tests: a picture that moves, with sound, with the clock and the format that is asked for."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from skimage import data
from torch import Tensor

from tintype.batch import Batch

CLOCK = Fraction(1, 12800)  # seconds of a unit of MP4's time
RATE = 25


def lumas(number: int, width: int = 64, height: int = 48, start: int = 0) -> list[np.ndarray]:
    """Y planes, limited range, of a camera that pans over a photograph, two pixels a frame."""
    picture = data.camera()[60 : 60 + height]
    windows = (picture[:, 100 + 2 * i : 100 + 2 * i + width] for i in range(start, start + number))
    return [(16 + window.astype(float) * 219 / 255).round().astype(np.uint8) for window in windows]


def steady_times(number: int) -> list[int]:
    """Timestamps of frames at RATE, in units of CLOCK."""
    return [round(i / RATE / CLOCK) for i in range(number)]


def frame_of(
    luma: np.ndarray, layout: str = "yuv420p", chroma: tuple[int, int] = (128, 128)
) -> av.VideoFrame:
    """A frame with a Y plane, and one colour all over."""
    frame = av.VideoFrame(luma.shape[1], luma.shape[0], layout)
    for plane, values in zip(frame.planes, (luma, *chroma), strict=False):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        rows[: plane.height, : plane.width] = values
    return frame


def write_film(
    path: Path,
    frames: list[av.VideoFrame | np.ndarray],
    times: list[int] | None = None,
    clock: Fraction = CLOCK,
    codec: str = "ffv1",
    sound: str | None = None,
    layout: str | None = None,
    quarters: int = 0,
    aspect: Fraction = Fraction(1),
    tags: tuple[int, int] | None = None,
    title: str | None = None,
    **options: str,
) -> Path:
    """Write a film: of frames, or of Y planes without colour; lossless but for codecs that are not.

    times: in units of `clock`. sound: a codec, of a tone. quarters: of a turn, how it is to be shown; tags:
    matrix and range.
    """
    frames = [frame_of(frame) if isinstance(frame, np.ndarray) else frame for frame in frames]
    times = steady_times(len(frames)) if times is None else times
    exact = {"movie_timescale": str(clock.denominator)} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=exact) as target:
        if title:
            target.metadata["title"] = title
        stream = target.add_stream(codec, rate=RATE)
        stream.width, stream.height = frames[0].width, frames[0].height
        stream.pix_fmt = layout or frames[0].format.name
        stream.time_base = stream.codec_context.time_base = clock
        stream.codec_context.sample_aspect_ratio = aspect
        stream.codec_context.options = options
        if tags:
            stream.codec_context.colorspace, stream.codec_context.color_range = tags
        if quarters:
            stream.set_display_rotation(90 * quarters)
        tone = target.add_stream(sound, rate=48000, layout="mono") if sound else None
        for frame, pts in zip(frames, times, strict=True):
            frame.pts, frame.time_base = pts, clock
            if tags:
                frame.colorspace, frame.color_range = tags
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
        if tone:
            write_tone(target, tone, float(times[-1] * clock) + 0.04)
    return path


def write_tone(target, stream: av.audio.stream.AudioStream, seconds: float) -> None:
    """A tone of 440 Hz."""
    wave = np.sin(np.arange(int(48000 * seconds)) * 2 * np.pi * 440 / 48000)
    frame = av.AudioFrame.from_ndarray((wave * 8000).astype(np.int16)[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts = 48000, 0
    target.mux(stream.encode(frame))
    target.mux(stream.encode())


def spoil(path: Path, number: int, keep: int = 0) -> None:
    """Write zeros over a packet of a film, but for its first bytes."""
    content = path.read_bytes()
    with av.open(str(path)) as source:
        packet = [bytes(packet) for packet in source.demux(video=0)][number]
    assert content.count(packet) == 1
    path.write_bytes(content.replace(packet, packet[:keep] + bytes(len(packet) - keep)))


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as source:
        return list(source.decode(video=0))


def seconds(path: Path) -> list[Fraction]:
    """When each frame of a film is to be shown."""
    return [frame.pts * frame.time_base for frame in decoded(path)]


def plane(frame: av.VideoFrame, number: int = 0) -> np.ndarray:
    """A plane of a frame, (H, W)."""
    found = frame.planes[number]
    return np.frombuffer(found, np.uint8).reshape(-1, found.line_size)[: found.height, : found.width]


def sound_of(path: Path) -> list[tuple[Fraction, bytes]]:
    """The packets of a film's sound: when, and what."""
    with av.open(str(path)) as source:
        packets = source.demux(source.streams.audio[0])
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in packets if packet.size]


def one_colour(a: float, b: float):
    """A model that sees one colour everywhere."""

    def predict(batch: Batch) -> Tensor:
        return torch.tensor([a, b]).reshape(1, 2, 1, 1).expand(-1, -1, *batch.input.shape[2:]).clone()

    return predict
