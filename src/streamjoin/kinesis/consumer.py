"""The stream's enhanced fan-out consumer: found by its name, registered if it is missing.

A consumer is not deregistered here: it costs money as long as it is registered, and only its owner knows when the job
will not be started again.

Source of the limits: docs.aws.amazon.com/kinesis/latest/APIReference/API_RegisterStreamConsumer.html: 20 consumers a
stream (50 with On-demand Advantage), 5 of them being created at the same time.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

from streamjoin.aws.errors import Remedies, translated
from streamjoin.errors import SourceError
from streamjoin.kinesis.calls import REMEDIES, StreamCalls

log = logging.getLogger(__name__)

_ACTIVE_WITHIN_SECONDS = 60.0
_SECONDS_BETWEEN_LOOKS = 1.0

FAN_OUT_REMEDIES = Remedies(
    missing=REMEDIES.missing,
    denied=(
        "Allow kinesis:DescribeStreamConsumer and kinesis:RegisterStreamConsumer on the stream, and "
        "kinesis:DescribeStreamConsumer and kinesis:SubscribeToShard on its consumer, to the job's role; or leave "
        "source.kinesis.fan_out out."
    ),
    throttled="See what else describes or registers consumers of this stream.",
    unreachable=(
        "Check the network, the credentials, source.kinesis.region and AWS_ENDPOINT_URL. If it never succeeds here, "
        "leave source.kinesis.fan_out out: AWS describes SubscribeToShard for HTTP/2, and boto3 sends it by HTTP/1.1."
    ),
)


class _MissingError(Exception):
    """There is no such consumer, or it has just become another's to register."""


class Consumer:
    """The consumer of `source.kinesis.fan_out`.

    Args:
        calls: The stream.
        name: The consumer's name.
    """

    def __init__(self, calls: StreamCalls, name: str) -> None:
        self.name = name
        self._calls = calls
        self._arn: str | None = None
        self._lock = threading.Lock()

    def arn(self) -> str:
        """Return the consumer's ARN once it is active; asked once a process.

        Raises:
            SourceError: It can't be registered, or isn't active in time.
        """
        with self._lock:
            if self._arn is None:
                self._arn = self._active()
            return self._arn

    def is_gone(self, arn: str) -> bool:
        """Say whether the consumer of this ARN is no longer registered; then the next `arn` is another's.

        Raises:
            SourceError: It can't be described.
        """
        with self._lock:
            if self._arn == arn:
                try:
                    self._arn = str(self._described(self._stream_arn())["ConsumerARN"])
                except _MissingError:
                    self._arn = None
            return self._arn != arn

    def _active(self) -> str:
        clock, stream_arn = self._calls.clock, self._stream_arn()
        deadline = clock.monotonic() + _ACTIVE_WITHIN_SECONDS
        while True:
            try:
                found = self._described(stream_arn)
            except _MissingError:
                found = self._registered(stream_arn)
            if found["ConsumerStatus"] == "ACTIVE":
                return str(found["ConsumerARN"])
            if clock.monotonic() >= deadline:
                message = (
                    f"{self._where()} is {found['ConsumerStatus']} after {_ACTIVE_WITHIN_SECONDS:.0f} s; expected "
                    "ACTIVE. Start the job again later, or leave source.kinesis.fan_out out."
                )
                raise SourceError(message, retryable=True)
            clock.sleep(_SECONDS_BETWEEN_LOOKS)

    def _described(self, stream_arn: str) -> dict[str, Any]:
        meanings = {"ResourceNotFoundException": _MissingError}
        with translated(SourceError, f"{self._where()}: DescribeStreamConsumer", FAN_OUT_REMEDIES, meanings):
            answer = self._calls.client.describe_stream_consumer(StreamARN=stream_arn, ConsumerName=self.name)
        return dict(answer["ConsumerDescription"])

    def _registered(self, stream_arn: str) -> dict[str, Any]:
        # Another process may be faster: then the next look finds it.
        meanings: dict[str, Callable[[str], Exception]] = {
            "LimitExceededException": self._one_too_many,
            "ResourceInUseException": _MissingError,
        }
        try:
            with translated(SourceError, f"{self._where()}: RegisterStreamConsumer", FAN_OUT_REMEDIES, meanings):
                answer = self._calls.client.register_stream_consumer(StreamARN=stream_arn, ConsumerName=self.name)
        except _MissingError:
            return {"ConsumerStatus": "registered by another process"}
        log.info("%s was registered; it costs money until it is deregistered", self._where())
        return dict(answer["Consumer"])

    def _one_too_many(self, said: str) -> SourceError:
        message = (
            f"{self._where()} can't be registered ({said}): a stream has 20 consumers at most (50 with On-demand "
            "Advantage), and 5 at a time are created. Deregister one that is no longer used, name one that is there in "
            "source.kinesis.fan_out, or leave it out."
        )
        return SourceError(message)

    def _stream_arn(self) -> str:
        return self._calls.stream.arn or str(self._calls.summary()["StreamARN"])

    def _where(self) -> str:
        return f"stream '{self._calls.stream.name}': consumer '{self.name}'"
