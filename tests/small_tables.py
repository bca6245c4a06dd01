"""Tables of ten rows: what each commit of a test leaves out."""

from typing import Final

# Each bucket is a file of each commit. Several are what whole jobs have by default: the demos, the cluster, the stored
# tables, and most tests of Hudi's own behaviour in tests/spark/hudi.
ONE_BUCKET: Final = {"hoodie.bucket.index.num.buckets": "1"}

# Services as often as can be, of a table that is served by `streamjoin maintain`.
MAINTAINED: Final = {
    "table_type": "MERGE_ON_READ",
    "table_services": "maintain",
    "options": {
        **ONE_BUCKET,
        "hoodie.compact.inline.max.delta.commits": "2",
        "hoodie.clean.max.commits": "2",
        "hoodie.clean.commits.retained": "1",
    },
}
