"""One device's spool: its counters, its battery's state and its outbox, kept over restarts and power cuts."""

import logging
from typing import cast

import msgspec

from device_agent.spool_file import SpoolFile
from fleet.telemetry.sample import Sample

logger = logging.getLogger(__name__)

_decode_sample = msgspec.json.Decoder(Sample).decode
_encode = msgspec.json.Encoder().encode
_MESSAGE_OVERHEAD_BYTES = 400


class Spool:
    """What `thing_name` must not forget. Nothing is kept until `file.commit()`.

    `keep_acknowledged` is how many acknowledged samples stay for audit.
    """

    def __init__(self, file: SpoolFile, thing_name: str, keep_acknowledged: int = 0) -> None:
        self.file = file
        self._keep_acknowledged = keep_acknowledged
        file.write("INSERT OR IGNORE INTO device (thing_name) VALUES (?)", thing_name)
        file.write("UPDATE device SET boot_count = boot_count + 1 WHERE thing_name = ?", thing_name)
        self.id = cast(int, file.read("SELECT id FROM device WHERE thing_name = ?", thing_name)[0][0])

    @property
    def last_sequence(self) -> int:
        """The number of the last sample taken; 0 before the first."""
        return cast(int, self.file.read("SELECT last_sequence FROM device WHERE id = ?", self.id)[0][0])

    @property
    def battery(self) -> bytes | None:
        """The battery's state as `append` was given it last."""
        return cast(bytes | None, self.file.read("SELECT battery FROM device WHERE id = ?", self.id)[0][0])

    def append(self, sample: Sample, battery: bytes) -> None:
        """Keep `sample` until it is acknowledged, and with it the battery's state and the sequence."""
        measured_at_ms = round(sample.measured_at.timestamp() * 1000)
        self.file.write(
            "INSERT INTO outbox (device_id, sequence, measured_at_ms, body) VALUES (?, ?, ?, ?)",
            self.id, sample.sequence, measured_at_ms, _encode(sample),
        )  # fmt: skip
        self.file.write("UPDATE device SET last_sequence = ?, battery = ? WHERE id = ?",
                        sample.sequence, battery, self.id)  # fmt: skip

    def oldest(self, max_samples: int, max_bytes: int) -> list[Sample]:
        """The next samples to send, oldest first, that fit into a message of `max_bytes`; at least one if any."""
        rows = self.file.read(
            "SELECT sequence, body FROM outbox WHERE device_id = ? ORDER BY sequence LIMIT ?", self.id, max_samples
        )
        samples: list[Sample] = []
        size = _MESSAGE_OVERHEAD_BYTES
        for sequence, body in cast(list[tuple[int, bytes]], rows):
            size += len(body) + 1
            if samples and size > max_bytes:
                break
            try:
                samples.append(_decode_sample(body))
            except msgspec.MsgspecError as error:
                self._set_aside(sequence, error)
        return samples

    def _set_aside(self, sequence: int, error: msgspec.MsgspecError) -> None:
        """A sample that earlier software wrote and nobody can read: it stays in the file, and is not on its way."""
        logger.error("Sample %d of the spool cannot be read (%s): it is set aside.", sequence, error)
        self._let_go(sequence, sequence, is_kept=True)

    def acknowledge(self, first: int, last: int) -> None:
        """The broker has the samples `first` to `last`: let them go, or keep them for audit."""
        self._let_go(first, last, is_kept=bool(self._keep_acknowledged))
        if self._keep_acknowledged:
            self.file.write("DELETE FROM acknowledged WHERE device_id = ? AND sequence <= ?",
                            self.id, last - self._keep_acknowledged)  # fmt: skip

    def _let_go(self, first: int, last: int, is_kept: bool) -> None:
        which = "device_id = ? AND sequence BETWEEN ? AND ?"
        if is_kept:
            self.file.write(
                "INSERT OR IGNORE INTO acknowledged SELECT device_id, sequence, measured_at_ms, body"  # noqa: S608
                f" FROM outbox WHERE {which}",
                self.id, first, last,
            )  # fmt: skip
        self.file.write(f"DELETE FROM outbox WHERE {which}", self.id, first, last)  # noqa: S608

    def pending(self) -> int:
        """How many samples wait for the broker's acknowledgement."""
        return cast(int, self.file.read("SELECT count(*) FROM outbox WHERE device_id = ?", self.id)[0][0])
