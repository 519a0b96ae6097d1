"""Is a film in colour already? One that is toned, sepia say, is not (`tintype.tints`)."""

from collections.abc import Iterator

import av
import numpy as np
from av.video.reformatter import Interpolation

from tintype.tints import COLOURFUL, SIDE, off_tint
from tintype.video.film import Film, first_frame, opened, pictures

LOOKS = 9  # frames that are looked at, spread over the film


def in_colour(film: Film) -> bool:
    """Whether at least a third of some frames, spread over the film, have colours that are no tint."""
    found = sorted(colours(frame) for frame in _spread(film))
    return bool(found) and found[-1 - len(found) // 3] > COLOURFUL


def colours(frame: av.VideoFrame) -> float:
    """`tints.off_tint` of a frame, at a small size."""
    scale = min(1, SIDE / min(frame.width, frame.height))
    width, height = (max(2, round(side * scale)) for side in (frame.width, frame.height))
    small = frame.reformat(width, height, "yuv444p", interpolation=Interpolation.AREA)
    rows = (np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size) for plane in small.planes)
    return off_tint(*(row[:height, :width] for row in rows))


def _spread(film: Film) -> Iterator[av.VideoFrame]:
    """The first frame, and those after places through the film, as far as one can go there."""
    with opened(film.path) as container:
        stream = pictures(container)
        length = film.seconds / film.time_base if film.seconds else 0
        for look in range(LOOKS if length else 1):
            if look:
                try:
                    container.seek((stream.start_time or 0) + int(length * look / LOOKS), stream=stream)
                except av.error.FFmpegError:
                    continue
            frame = first_frame(container, stream)
            if frame is not None:
                yield frame
