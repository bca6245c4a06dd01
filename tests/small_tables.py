"""Tables of ten rows: what each commit of a test leaves out."""

from typing import Final

# Each bucket is a file of each commit. Several are what whole jobs have by default: the demos, the cluster, the stored
# tables, and most tests of Hudi's own behaviour in tests/spark/hudi.
ONE_BUCKET: Final = {"hoodie.bucket.index.num.buckets": "1"}
