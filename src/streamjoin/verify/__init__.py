"""Proof from a table's own records that nothing of the stream was missed or read twice."""

from streamjoin.verify.proof import verify, verify_journal
from streamjoin.verify.report import VerifyReport, Violation, ViolationKind

__all__ = ["VerifyReport", "Violation", "ViolationKind", "verify", "verify_journal"]
