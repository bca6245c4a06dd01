"""Histories of any kind: those without a mistake are proven, those that lack a batch are not."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streamjoin.history.entry import Entry
from streamjoin.shards.position import Position, PositionKind
from streamjoin.verify import Violation
from streamjoin.verify.chain import Chain
from streamjoin.verify.counts import check_counts
from streamjoin.verify.rejects import RejectCheck
from tests.history import JobHistory, Metadata, at

shards = st.sampled_from(["a", "b", "c", "d"])
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("batch"),
            st.dictionaries(shards, st.integers(0, 12), min_size=1),
            st.dictionaries(st.sampled_from(["NOT_UTF8", "WRONG_TYPE"]), st.integers(1, 3)),
            st.sets(shards, max_size=1),
        ),
        st.tuples(st.just("rewrite"), st.none(), st.none(), st.none()),
        st.tuples(st.just("redrive"), st.none(), st.none(), st.none()),
        st.tuples(st.just("skip"), st.none(), st.none(), st.none()),
    ),
    min_size=3,
    max_size=12,
)


def places(metadata: Metadata) -> dict[str, object]:
    """Return where what was read so far ends."""
    shards = Position.from_json(metadata["position"]).shards
    return {shard: each.place for shard, each in shards.items() if each.kind is not PositionKind.TRIM_HORIZON}


def live(job: JobHistory, plan: list[Any]) -> None:
    job.start("a", "b")
    for step, reads, rejected, drained in plan:
        done = {s for s, p in job.position.shards.items() if p.kind is PositionKind.DRAINED}
        if step == "batch":
            wanted = {shard: count for shard, count in reads.items() if shard not in done}
            few = {
                reason: count for reason, count in rejected.items() if sum(rejected.values()) <= sum(wanted.values())
            }
            job.batch(wanted, few, drained=drained)
        elif step == "rewrite":
            job.rewrite(1)
        elif step == "redrive" and job.letters:
            job.redrive({next(iter(job.letters.values()))[3]: 1})
        elif step == "skip":
            job.set({"e": at(job._made + 1)})


@given(steps, st.data())
@settings(max_examples=60, deadline=None)
def test_any_honest_history_is_proven_and_one_that_lacks_a_batch_is_not(plan: list[Any], data: st.DataObject) -> None:
    commits: list[Metadata] = []
    job = JobHistory(commits.append)
    live(job, plan)

    def violations(metadata: list[Metadata]) -> list[Violation]:
        chain, rejects, found = Chain(), RejectCheck(job.letter_table(), {}), list[Violation]()
        for number, each in enumerate(metadata):
            entry = Entry.of(str(10 + number), each)
            found += [*chain.join(entry), *check_counts(entry)]
            rejects.add(entry)
        return [*found, *rejects.verdict(chain)]

    assert violations(commits) == []
    moved = [
        n
        for n in range(1, len(commits) - 1)
        if commits[n]["batch_id"].startswith("batch-") and places(commits[n]) != places(commits[n - 1])
    ]
    if moved:
        missing = data.draw(st.sampled_from(moved))
        assert violations([*commits[:missing], *commits[missing + 1 :]])
