"""TensorBoard's event files by the messages of the package tensorboard alone, without torch.

Its own writer has a thread, and imports TensorFlow where that is installed: seconds, and lines on
the terminal.
"""

from __future__ import annotations

import os
import platform
import struct
import time
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.custom_scalar import layout_pb2

from twisterl.runs.crc32c import crc32c

Layout = dict[str, dict[str, tuple[str, list[str]]]]


class EventWriter:
    """What a run tells TensorBoard, as `torch.utils.tensorboard.SummaryWriter` writes it.

    Args:
        log_dir: the folder of the file.
        purge_step: earlier files' figures of this step and later ones are no longer shown.
        filename_suffix: of the file's name.
        flush_secs: how long what was written may not be in the file yet.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        purge_step: int,
        filename_suffix: str,
        flush_secs: float,
    ):
        self.log_dir = os.fspath(log_dir)
        begin = f"events.out.tfevents.{int(time.time()):010d}.{platform.node()}.{os.getpid()}.0"
        self._file = open(os.path.join(self.log_dir, begin + filename_suffix), "xb")
        self._flush_secs = flush_secs
        self._flushed_at = time.monotonic()
        # Every file begins with it; the one of `purge_step` is what SummaryWriter adds.
        self._write(Event(file_version="brain.Event:2"))
        self._write(Event(file_version="brain.Event:2"), purge_step)
        self._write(Event(session_log=SessionLog(status=SessionLog.START)), purge_step)

    def add_scalar(self, tag: str, scalar_value: float, global_step: int, **_: Any) -> None:
        """Writes a figure; options of `SummaryWriter` are taken and not needed."""
        tensor = TensorProto(float_val=[float(scalar_value)], dtype="DT_FLOAT")
        self._summarize(tag, tensor, "scalars", global_step)

    def add_custom_scalars(self, layout: Layout) -> None:
        """Charts by category and title: the word "Multiline", and patterns of the lines' tags."""
        categories = [
            layout_pb2.Category(
                title=category,
                chart=[
                    layout_pb2.Chart(
                        title=title, multiline=layout_pb2.MultilineChartContent(tag=tags)
                    )
                    for title, (_, tags) in charts.items()
                ],
            )
            for category, charts in layout.items()
        ]
        content = layout_pb2.Layout(category=categories).SerializeToString()
        shape = TensorShapeProto()
        tensor = TensorProto(dtype="DT_STRING", string_val=[content], tensor_shape=shape)
        self._summarize("custom_scalars__config__", tensor, "custom_scalars")

    def flush(self) -> None:
        self._file.flush()
        self._flushed_at = time.monotonic()

    def close(self) -> None:
        self._file.close()

    def _summarize(
        self, tag: str, tensor: Any, plugin: str, global_step: int | None = None
    ) -> None:
        named = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin))
        value = Summary.Value(tag=tag, tensor=tensor, metadata=named)
        self._write(Event(summary=Summary(value=[value])), global_step)

    def _write(self, event: Any, global_step: int | None = None) -> None:
        event.wall_time = time.time()
        if global_step is not None:
            event.step = int(global_step)
        self._file.write(_record(event.SerializeToString()))
        if time.monotonic() - self._flushed_at >= self._flush_secs:
            self.flush()


def _record(data: bytes) -> bytes:
    """`data` as a TFRecord: its length as eight bytes and itself, each followed by its checksum."""
    length = struct.pack("<Q", len(data))
    return length + _checksum(length) + data + _checksum(data)


def _checksum(data: bytes) -> bytes:
    """CRC-32C, turned and shifted: a checksum of data that holds checksums would tell little."""
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
