from streamjoin.streaming.stages import Stages


def test_a_stage_that_is_done_again_is_added_up_and_all_of_them_are_the_whole() -> None:
    now = iter([10.0, 11.0, 13.0, 13.5, 20.0, 20.0])
    stages = Stages(lambda: next(now))
    for name in ("compute", "commit", "compute", "ledger"):
        stages.done(name)
    assert stages.seconds == {"compute": 1.5, "commit": 2.0, "ledger": 6.5}
    assert stages.total_seconds == sum(stages.seconds.values())
