"""Frames to packets, packets to a file: H.264 in MP4, QuickTime and Matroska, VP9 in WebM."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from pathlib import Path

import av

from tintype.console import UserError
from tintype.video.film import Film, opened

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
# Without frames that refer to later ones, so that the packets of segments follow each other in time.
_H264 = ("libx264", {"crf": "18", "preset": "superfast", "bf": "0"})
_VP9 = ("libvpx-vp9", {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"})
LIVE = ("libx264", {"crf": "18", "preset": "ultrafast", "tune": "zerolatency", "bf": "0"})
# What a container's metadata say of itself, and not of the film.
_OF_THE_FILE = {"major_brand", "minor_version", "compatible_brands", "encoder"}
THREADS = 2  # of the encoder, whose bytes depend on their number


@dataclass(frozen=True)
class Packet:
    """A frame as encoded: its bytes, time and duration in units of the film, and whether it stands alone."""

    data: bytes
    pts: int
    duration: int
    key: bool


def format_of(path: Path) -> str:
    """The container that a file's name stands for. Raises UserError where it is for none."""
    if path.suffix.lower() not in FORMATS:
        raise UserError(
            f"{path}: found the suffix {path.suffix or '(none)'!r}, allowed: {', '.join(FORMATS)}"
        )
    return FORMATS[path.suffix.lower()]


def codec(container: str) -> tuple[str, dict[str, str]]:
    """The encoder of a container, and its settings."""
    return _VP9 if container == "webm" else _H264


def configure(context: av.video.codeccontext.VideoCodecContext, film: Film, options: dict[str, str]) -> None:
    """Set an encoder up for a film: the same film and options give the same bytes, whatever comes before."""
    context.width, context.height, context.pix_fmt = film.width, film.height, film.chroma
    context.time_base, context.framerate = film.time_base, film.rate
    context.sample_aspect_ratio = film.aspect
    context.colorspace, context.color_range = film.levels.matrix, film.levels.range
    context.color_primaries, context.color_trc = film.tags
    context.options = options
    context.thread_count = THREADS
    context.flags |= av.codec.context.Flags.global_header | av.codec.context.Flags.bitexact


class Encoder:
    """Frames of a film in, packets out, some frames later."""

    def __init__(self, film: Film, container: str) -> None:
        name, options = codec(container)
        self.context = av.CodecContext.create(name, "w")
        configure(self.context, film, options)
        self.durations: dict[int, int] = {}

    def packets(self, frame: av.VideoFrame | None) -> Iterator[Packet]:
        """What is ready after one frame more, or, after None, the rest."""
        if frame is not None:
            self.durations[frame.pts] = frame.duration
        for packet in self.context.encode(frame):
            yield Packet(bytes(packet), packet.pts, self.durations.pop(packet.pts), packet.is_keyframe)


def refuse_sound(film: Film, out: Path) -> None:
    """Raise UserError where the container cannot hold the film's sound."""
    container = format_of(out)
    with av.open(_Nowhere(), "w", format=container) as trial:
        held = trial.supported_codecs
    for _, name in film.sounds:
        if name not in held:
            raise UserError(
                f"{out}: found sound in {name}, which is copied as it is, and which {out.suffix} files "
                "cannot hold; name the output .mkv, which holds all"
            )


def write(film: Film, packets: Iterable[Packet], out: Path, container: str) -> None:
    """Join packets of pictures with the film's sound, packet by packet, in a file."""
    # Matroska would draw a random number to name the file, and MP4 round a late start to milliseconds.
    options = {"fflags": "+bitexact"}
    if container in ("mp4", "mov"):
        options |= {"movie_timescale": str(film.time_base.denominator), "movflags": "+faststart"}
    with opened(film.path) as source, av.open(str(out), "w", format=container, options=options) as target:
        titles = {name: text for name, text in source.metadata.items() if name not in _OF_THE_FILE}
        target.metadata.update(titles)
        name, settings = codec(container)
        stream = target.add_stream(name, rate=film.rate)
        configure(stream.codec_context, film, settings)
        stream.time_base = film.time_base
        if film.matrix:
            stream.set_display_matrix(film.matrix)
        sounds = {
            number: target.add_stream_from_template(source.streams[number]) for number, _ in film.sounds
        }
        target.start_encoding()
        pictures = (_of(packet, stream, film.time_base) for packet in packets)
        for packet in merge(pictures, sound_packets(source, film, sounds), key=_seconds):
            target.mux_one(packet)


def _of(packet: Packet, stream: av.video.stream.VideoStream, time_base: Fraction) -> av.Packet:
    made = av.Packet(packet.data)
    made.stream, made.time_base = stream, time_base
    made.pts = made.dts = packet.pts
    made.duration, made.is_keyframe = packet.duration, packet.key
    return made


def sound_packets(source, film: Film, targets: dict[int, av.audio.stream.AudioStream]) -> Iterator[av.Packet]:
    """The packets of the film's sound, as they are, for streams of another file, by their numbers here."""
    if not targets:
        return
    tries = 0
    late = film.start * film.time_base
    while tries < 100:
        try:
            for packet in source.demux([source.streams[number] for number in targets]):
                tries = 0
                if not packet.size or packet.dts is None:
                    continue
                shift = round(late / packet.time_base)
                packet.dts -= shift
                packet.pts = packet.dts if packet.pts is None else packet.pts - shift
                packet.stream = targets[packet.stream_index]
                yield packet
            return
        except av.error.FFmpegError:
            tries += 1


def _seconds(packet: av.Packet) -> Fraction:
    return packet.dts * packet.time_base


class _Nowhere:
    """A file that forgets what is written to it."""

    def write(self, data: bytes) -> int:
        return len(data)
