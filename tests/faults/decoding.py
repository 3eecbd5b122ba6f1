"""Interlaced and damaged streams of many codecs and containers, against ffmpeg's own decoding.

Each clip is decoded by `ffmpeg` and by `media.frames.Video`: as many frames, and each the same
pixel by pixel, up to what two releases of swscale round and interpolate otherwise. Nothing may be
wrong without a word: frames that ffmpeg has and dfsubmit lacks must be counted as lost, or the file
be unreadable.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from setting import Tally

from dfsubmit.errors import NotInstalled
from dfsubmit.media.frames import Unreadable, Video
from dfsubmit.media.limits import Limits
from dfsubmit.media.selftest import check_opencv
from dfsubmit.records import Pixels

WIDTH, HEIGHT = 160, 128
LIMITS = Limits()
ALLOWED = 4.0
"""Mean difference of a frame's values (0 to 255); of another frame of these clips it is over 10."""

_INTERLACED = "-flags +ilme+ildct"
# name: ffmpeg's encoder and its options, the suffixes that carry it, whether it can be interlaced.
_X264 = "libx264 -preset ultrafast -g 12"
CODECS: dict[str, tuple[str, str, bool]] = {
    "h264": (f"{_X264} -bf 2", "mp4 mov mkv avi flv ts m4v 3gp h264", False),
    "h264-tff": (f"{_X264} -x264-params tff=1", "mp4 mov mkv ts h264", True),
    "h264-bff": (f"{_X264} -x264-params bff=1", "mp4 mkv ts", True),
    "h264-fake": (f"{_X264} -x264-params fake-interlaced=1", "mp4 mkv", True),
    "h264-444": (f"{_X264} -pix_fmt yuv444p", "mp4 mkv", False),
    "h264-10": (f"{_X264} -pix_fmt yuv420p10le", "mp4 mkv", False),
    "hevc": ("libx265 -preset ultrafast -x265-params log-level=none", "mp4 mkv mov ts hevc", False),
    "hevc-10": (
        "libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p10le", "mp4", False
    ),
    "mpeg1": ("mpeg1video", "mpg ts avi", False),
    "mpeg2": ("mpeg2video -bf 2", "mpg ts mkv avi", False),
    "mpeg2-i": (f"mpeg2video {_INTERLACED}", "mpg ts mkv", True),
    "mpeg2-422": (f"mpeg2video -pix_fmt yuv422p {_INTERLACED}", "mpg ts", True),
    "mpeg4": ("mpeg4 -bf 2", "avi mp4 mkv mov", False),
    "mpeg4-i": (f"mpeg4 {_INTERLACED}", "avi mp4 mkv", True),
    "xvid": ("libxvid", "avi mp4", False),
    "msmpeg4v2": ("msmpeg4v2", "avi", False),
    "msmpeg4v3": ("msmpeg4", "avi", False),
    "wmv1": ("wmv1", "wmv avi", False),
    "wmv2": ("wmv2", "wmv avi", False),
    "flv1": ("flv", "flv", False),
    "h263p": ("h263p", "avi", False),
    "mjpeg": ("mjpeg -q:v 2 -pix_fmt yuvj420p", "avi mov mkv mjpeg", False),
    "vp8": ("libvpx -deadline realtime -cpu-used 8", "webm mkv", False),
    "vp9": ("libvpx-vp9 -deadline realtime -cpu-used 8", "webm mkv mp4", False),
    "theora": ("libtheora", "ogv mkv", False),
    "prores": ("prores_ks", "mov mkv", False),
    "prores-i": (f"prores_ks {_INTERLACED}", "mov mkv", True),
    "dnxhd": ("dnxhd -s 256x128 -profile:v dnxhr_sq -pix_fmt yuv422p", "mov mkv", False),
    "ffv1": ("ffv1", "avi mkv", False),
    "huffyuv": ("huffyuv", "avi mkv", False),
    "ffvhuff-i": ("ffvhuff -flags +ildct", "avi mkv", True),
    "utvideo": ("utvideo", "avi mkv", False),
    "dv": ("dvvideo -s 720x576 -pix_fmt yuv420p", "avi mov", True),
    "jpeg2000": ("jpeg2000", "mov mkv", False),
    "png": ("png", "mov mkv avi", False),
    "cinepak": ("cinepak", "avi", False),
    "raw": ("rawvideo -pix_fmt yuv420p", "avi mkv", False),
    "raw-rgb": ("rawvideo -pix_fmt bgr24", "avi", False),
}  # fmt: skip


@dataclass(frozen=True)
class Clip:
    """A clip to make: how it is encoded, and the seed of its damage (None for none)."""

    codec: str
    suffix: str
    damage: int | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        damage = "whole" if self.damage is None else f"damaged{self.damage}"
        return f"{self.codec}-{damage}.{self.suffix}"


def clips(cases: int) -> list[Clip]:
    """So many clips, two thirds of them whole: every codec in its first container, then in its
    others; a short list takes every so many-th."""
    pairs = [
        Clip(codec, suffix)
        for number in range(max(len(suffixes.split()) for _, suffixes, _ in CODECS.values()))
        for codec, (_, suffixes, _) in CODECS.items()
        for suffix in suffixes.split()[number : number + 1]
    ]
    step = max(1, len(CODECS) // cases)
    whole = pairs[step // 2 :: step][: cases * 2 // 3]
    damaged = [
        replace(pair, damage=seed) for seed in range(99) for pair in pairs[step // 2 :: step]
    ]
    return whole + damaged[: cases - len(whole)]


def decoded_clips(work: Path, cases: int, seed: int) -> Tally:
    """Decode `cases` clips here and with ffmpeg."""
    tally = Tally("decoded clips", cases)
    if shutil.which("ffmpeg") is None:
        tally.skipped = "ffmpeg is not installed"
        return tally
    try:
        check_opencv()
    except NotInstalled as error:
        tally.failed(error.message)
        return tally
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    for clip in clips(cases):
        path = work / clip.name
        if not _make(path, clip):
            tally.cases -= 1
            tally.counts["not made by this ffmpeg"] += 1
            continue
        if clip.damage is not None:
            _damage(path, np.random.default_rng((seed, clip.damage, len(clip.name))))
        complaint = _compare(path, clip.damage is not None, tally)
        if complaint:
            tally.failed(f"{clip.name}: {complaint}")
        else:
            tally.survived += 1
        path.unlink()
    return tally


def _make(path: Path, clip: Clip) -> bool:
    encoder, _, interlaced = CODECS[clip.codec]
    source = f"testsrc2=size={WIDTH}x{HEIGHT}:rate=50:duration=0.8"
    fields = "interlace" if interlaced else "fps=25"
    command = f"ffmpeg -v quiet -y -f lavfi -i {source} -vf {fields},format=yuv420p -c:v {encoder}"
    return not subprocess.run([*command.split(), "-threads", "1", str(path)]).returncode


def _damage(path: Path, random: np.random.Generator) -> None:
    """Some bytes between the headers and the last tenth, where MP4 keeps its index, are others."""
    data = bytearray(path.read_bytes())
    first, last = len(data) // 10, len(data) * 9 // 10
    for _ in range(int(random.integers(1, 4))):
        place = int(random.integers(first, last))
        length = int(random.integers(1, 60))
        data[place : place + length] = random.bytes(len(data[place : place + length]))
    path.write_bytes(data)


def _compare(path: Path, damaged: bool, tally: Tally) -> str:
    """What is wrong with how a clip is decoded, or nothing."""
    try:
        video = Video(path, LIMITS)
        found = [frame.pixels for frame in video.decode(range(1000))]
    except Unreadable as error:
        tally.counts["unreadable, and said so"] += 1
        return "" if damaged else f"unreadable: {error}"
    if not found:  # which a scan calls unreadable
        tally.counts["unreadable, and said so"] += 1
        return "" if damaged else "no frame"
    expected = _by_ffmpeg(path, found[0].shape)
    tally.counts["frames"] += len(found)
    tally.counts["frames lost, and counted"] += video.lost
    if not len(expected) - video.lost <= len(found) <= len(expected):
        return f"{len(found)} frames and {video.lost} lost; {len(expected)} by ffmpeg"
    apart = [
        float(np.abs(frame.astype(np.int16) - other).mean())
        for frame, other in zip(found, expected, strict=False)
    ]
    wrong = [f"{number} ({mean:.1f})" for number, mean in enumerate(apart) if mean > ALLOWED]
    return f"other pixels in frames {', '.join(wrong[:5])}" if wrong else ""


def _by_ffmpeg(path: Path, shape: tuple[int, ...]) -> Pixels:
    """Every frame that ffmpeg decodes, in RGB."""
    command = ["ffmpeg", "-v", "quiet", "-threads", "1", "-i", str(path)]
    # OpenCV takes every stream's colours for BT.601's, whatever its tags say, as notebooks do.
    command += ["-vf", "scale=in_color_matrix=bt601"]
    command += ["-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    given = subprocess.run(command, stdout=subprocess.PIPE).stdout
    size = int(np.prod(shape))
    return np.frombuffer(given, np.uint8, len(given) // size * size).reshape(-1, *shape)
