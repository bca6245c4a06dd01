"""CloudFormation stacks of jobs: deployed, deleted, and read for the configuration of a job that is in one."""
