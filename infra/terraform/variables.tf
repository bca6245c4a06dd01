# Null is the template's own default, which is said in the table of ../README.md.

variable "name" {
  description = "In front of every name, and of both stacks: `streamjoin-prod`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,24}$", var.name))
    error_message = "Allowed: 2 to 25 small letters, digits and dashes, a letter first."
  }
}

variable "artefacts_prefix" {
  description = "Folder in the artefacts bucket, without slashes at its ends."
  type        = string
  default     = "streamjoin"
}

variable "wheels" {
  description = "Paths of the wheels that `make dist` built."
  type        = list(string)
  default     = []
}

variable "configurations" {
  description = "Job's name (`enrich`, `capture`, `replicate`, `backfill-TABLE`) to the YAML of its configuration; may be made of this module's outputs."
  type        = map(string)
  default     = {}
}

variable "python_modules" {
  description = "Value of `--additional-python-modules`; null: the wheel below the prefix."
  type        = string
  default     = null
}

variable "pip_options" {
  description = "Value of `--python-modules-installer-option`, for accounts without a way to PyPI."
  type        = string
  default     = null
}

variable "keep_data" {
  description = "What becomes of bucket, tables and streams with the stack."
  type        = string
  default     = null

  validation {
    condition     = var.keep_data == null || contains(["Retain", "Delete"], coalesce(var.keep_data, "Retain"))
    error_message = "Allowed: Retain, Delete."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts bucket, tables and streams; null: keys of the services."
  type        = string
  default     = null
}

variable "point_in_time_recovery" {
  description = "Whether tables can be restored to any second of 35 days, and exported."
  type        = bool
  default     = null
}

variable "enrich" {
  description = "Whether there are events, references and the enrichment."
  type        = bool
  default     = null
}

variable "lake_table" {
  description = "Table of the lake that the enrichment writes."
  type        = string
  default     = null
}

variable "database" {
  description = "Glue database; null: the name, with `_` for `-`."
  type        = string
  default     = null
}

variable "events_stream" {
  description = "Kinesis stream of events that is there; null: one is made."
  type        = string
  default     = null
}

variable "events_shards" {
  description = "Shards of the stream of events that is made; 0: on demand."
  type        = number
  default     = null
}

variable "changes_shards" {
  description = "Shards of the stream of changes; 0: on demand."
  type        = number
  default     = null
}

variable "retention_hours" {
  description = "How long the streams keep a record."
  type        = number
  default     = null
}

variable "fan_out_consumer" {
  description = "Name of the consumer of enhanced fan-out; null: none."
  type        = string
  default     = null
}

variable "reference_tables" {
  description = "Reference tables, each `NAME:KEY` or `NAME:KEY:SORTKEY`; `NAME` alone is there already."
  type        = list(string)
  default     = null
}

variable "capture_tables" {
  description = "Captured tables, in the same form; null: no capture."
  type        = list(string)
  default     = null
}

variable "changes_by" {
  description = "What brings changes into the stream: Kinesis Data Streams for DynamoDB, or an EventBridge Pipe."
  type        = string
  default     = null

  validation {
    condition     = var.changes_by == null || contains(["kinesis", "pipe"], coalesce(var.changes_by, "kinesis"))
    error_message = "Allowed: kinesis, pipe."
  }
}

variable "glue_version" {
  description = "Version of AWS Glue."
  type        = string
  default     = null

  validation {
    condition     = var.glue_version == null || contains(["5.1", "5.0"], coalesce(var.glue_version, "5.1"))
    error_message = "Allowed: 5.1, 5.0."
  }
}

variable "worker_type" {
  description = "Type of the Glue workers."
  type        = string
  default     = null

  validation {
    condition     = var.worker_type == null || contains(["G.025X", "G.1X", "G.2X", "G.4X", "G.8X"], coalesce(var.worker_type, "G.025X"))
    error_message = "Allowed: G.025X, G.1X, G.2X, G.4X, G.8X."
  }
}

variable "workers" {
  description = "Glue workers of a job."
  type        = number
  default     = null
}

variable "maintenance_window" {
  description = "Day and hour (UTC) at which Glue may start a streaming job again: `Sun:3`."
  type        = string
  default     = null
}

variable "retries" {
  description = "How often Glue starts a failed run again."
  type        = number
  default     = null
}

variable "replication" {
  description = "What brings rows of MySQL into the reference tables."
  type        = string
  default     = null

  validation {
    condition     = var.replication == null || contains(["none", "dms", "job"], coalesce(var.replication, "none"))
    error_message = "Allowed: none, dms, job."
  }
}

variable "mysql_secret_arn" {
  description = "Secret with the password of MySQL; for DMS with host, port and username too."
  type        = string
  default     = null
}

variable "mysql_engine" {
  description = "What DMS takes the server for."
  type        = string
  default     = null

  validation {
    condition     = var.mysql_engine == null || contains(["mysql", "mariadb", "aurora"], coalesce(var.mysql_engine, "mysql"))
    error_message = "Allowed: mysql, mariadb, aurora."
  }
}

variable "certificate_arn" {
  description = "Certificate of DMS by which that of the server is checked."
  type        = string
  default     = null
}

variable "subnets" {
  description = "Subnets that reach the server; for DMS two or more."
  type        = list(string)
  default     = null
}

variable "availability_zone" {
  description = "Zone of the first subnet, for `replication` by `job`."
  type        = string
  default     = null
}

variable "security_groups" {
  description = "Security groups that the server lets in."
  type        = list(string)
  default     = null
}

variable "table_mappings" {
  description = "Table mappings of AWS DMS, as JSON."
  type        = string
  default     = null
}

variable "dms_instance_class" {
  description = "Machine that DMS runs on."
  type        = string
  default     = null
}

variable "dms_vpc_role" {
  description = "Whether to make the role `dms-vpc-role`, of which an account has one."
  type        = bool
  default     = null
}

variable "alarms" {
  description = "Whether there are alarms."
  type        = bool
  default     = null
}

variable "alarm_email" {
  description = "Address that alarms are sent to; null: none."
  type        = string
  default     = null
}

variable "lag_seconds" {
  description = "Lag behind the stream that is an alarm."
  type        = number
  default     = null
}

variable "freshness_seconds" {
  description = "Age of the newest commit that is an alarm."
  type        = number
  default     = null
}

variable "reference_age_seconds" {
  description = "Age of a reference that is an alarm."
  type        = number
  default     = null
}

variable "dead_letters" {
  description = "Dead letters in five minutes that are no alarm."
  type        = number
  default     = null
}

variable "noncurrent_days" {
  description = "Days for which old versions of objects are kept."
  type        = number
  default     = null
}

variable "log_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = null

  validation {
    condition     = var.log_days == null || contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], coalesce(var.log_days, 1))
    error_message = "Allowed: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

variable "tags" {
  description = "Tags of both stacks, which CloudFormation hands on to what is in them."
  type        = map(string)
  default     = {}
}
