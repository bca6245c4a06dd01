"""What can be said of `sink.hudi.delete_when` without Spark, which judges the rest."""

from collections.abc import Iterator

from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.enrich.config.sql_names import JAVA_FUNCTIONS, UNSTABLE_FUNCTIONS, calls_java, words_in


def delete_problems(config: EnrichConfig) -> Iterator[str]:
    """Yield what is wrong with how the job deletes rows; `config` may be a draft."""
    settings, at = config.sink.hudi, "sink.hudi.delete_when"
    if settings.delete_when is None:
        if isinstance(settings.tombstone_hours, int | float):
            yield f"sink.hudi.tombstone_hours: allowed with {at} only, without which no row is deleted"
        return
    if not isinstance(settings.delete_when, str):
        return
    if calls_java(settings.delete_when):
        yield f"{at}: it calls Java, which may write anywhere; leave out {', '.join(sorted(JAVA_FUNCTIONS))}"
    unstable = sorted(words_in(settings.delete_when) & UNSTABLE_FUNCTIONS)
    if unstable:
        yield (
            f"{at}: {unstable[0]} gives another value each time, so that a batch that is repeated after a crash would "
            "delete other rows; allowed: an expression of the event's columns alone"
        )
