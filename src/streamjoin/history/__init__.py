"""What every commit of a table said, kept for ever beside it: Hudi's own timeline forgets old commits.

The timeline has the last word on the commits that it still holds, the ledger on those that were archived. It lies in
`<base_path>/.hoodie/.streamjoin/ledger/`: Hudi takes any other folder of a table for a partition.
"""
