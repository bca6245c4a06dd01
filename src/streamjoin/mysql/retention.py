"""How long a server keeps its binlog: a job that stops for longer has to load everything again."""

from dataclasses import dataclass

from streamjoin.mysql.settings import Settings

_HOUR_SECONDS = 3_600
_DAY_SECONDS = 24 * _HOUR_SECONDS
# Source: docs.aws.amazon.com, "mysql.rds_set_configuration": RDS for MySQL keeps no more.
_ADVISED_SECONDS = 7 * _DAY_SECONDS


@dataclass(frozen=True)
class Retention:
    """For how long, and who says so.

    Args:
        seconds: 0 if it isn't promised; None if for ever.
        setting: What says so.
        remedy: The statement that makes it a week on this server.
    """

    seconds: float | None
    setting: str
    remedy: str

    @property
    def is_short(self) -> bool:
        """Whether it is less than a day."""
        return self.seconds is not None and self.seconds < _DAY_SECONDS

    def __str__(self) -> str:
        if self.seconds is None:
            kept, bound = "until it is purged", "until then"
        elif not self.seconds:
            return (
                f"the server doesn't say for how long it keeps the binlog ({self.setting}): after a stop of the job, "
                "or a long full load, --reload may be needed"
            )
        else:
            name, unit = ("days", _DAY_SECONDS) if self.seconds >= 2 * _DAY_SECONDS else ("hours", _HOUR_SECONDS)
            kept, bound = f"for {self.seconds / unit:.3g} {name}", "for less than that"
        return f"the binlog is kept {kept} ({self.setting}): the job may stop, and a full load last, {bound}"


def retention(settings: Settings) -> Retention:
    """Return how long the binlog is kept."""
    variables = settings.variables
    if settings.is_rds:
        hours = settings.rds_hours
        remedy = f"CALL mysql.rds_set_configuration('binlog retention hours', {_ADVISED_SECONDS // _HOUR_SECONDS});"
        unseen = ", which CALL mysql.rds_show_configuration shows, and this user may not see" if hours is None else ""
        return Retention((hours or 0) * _HOUR_SECONDS, f"binlog retention hours{unseen}", remedy)
    seconds, days = (float(variables.get(each, "0")) for each in ("binlog_expire_logs_seconds", "expire_logs_days"))
    # MySQL 8.0 has both, and refuses to set one while the other is what counts.
    in_days = "binlog_expire_logs_seconds" not in variables or (days > 0 and not seconds)
    setting, unit = ("expire_logs_days", _DAY_SECONDS) if in_days else ("binlog_expire_logs_seconds", 1)
    remedy = settings.to_set(setting, str(_ADVISED_SECONDS // unit))
    if variables.get("binlog_expire_logs_auto_purge", "ON") == "OFF":
        setting, seconds, days = "binlog_expire_logs_auto_purge", 0, 0
    size = int(variables.get("max_binlog_total_size", "0"))
    if size:
        setting += f"; less if it has {size} bytes, max_binlog_total_size"
    return Retention(seconds or days * _DAY_SECONDS or None, setting, remedy)
