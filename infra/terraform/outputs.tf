# Text, or null if the thing isn't made; tables are lists of text.

output "name" {
  description = "Name in front of every name."
  value       = lookup(local.outputs, "Name", null)
}

output "region" {
  description = "Region of the stack."
  value       = lookup(local.outputs, "Region", null)
}

output "lake_bucket" {
  description = "Bucket of the lake."
  value       = lookup(local.outputs, "LakeBucket", null)
}

output "configuration_uri" {
  description = "Where the configurations of the jobs are."
  value       = lookup(local.outputs, "ConfigurationUri", null)
}

output "database" {
  description = "Glue database."
  value       = lookup(local.outputs, "Database", null)
}

output "metrics_namespace" {
  description = "`metrics.cloudwatch_namespace` of the configurations."
  value       = lookup(local.outputs, "MetricsNamespace", null)
}

output "events_stream" {
  description = "Stream of events."
  value       = lookup(local.outputs, "EventsStream", null)
}

output "events_stream_arn" {
  description = "Its ARN."
  value       = lookup(local.outputs, "EventsStreamArn", null)
}

output "fan_out_consumer" {
  description = "Consumer of enhanced fan-out."
  value       = lookup(local.outputs, "FanOutConsumer", null)
}

output "reference_tables" {
  description = "Reference tables, as given."
  value       = compact(split(",", lookup(local.outputs, "ReferenceTables", "")))
}

output "enrich_job" {
  description = "Glue job of the enrichment, and `name` of its configuration."
  value       = lookup(local.outputs, "EnrichJob", null)
}

output "lake_table" {
  description = "Table of the lake that it writes."
  value       = lookup(local.outputs, "LakeTable", null)
}

output "enrich_base_path" {
  description = "Where that lies."
  value       = lookup(local.outputs, "EnrichBasePath", null)
}

output "enrich_dead_letters" {
  description = "Where its dead letters lie."
  value       = lookup(local.outputs, "EnrichDeadLetters", null)
}

output "capture_tables" {
  description = "Captured tables, as given."
  value       = compact(split(",", lookup(local.outputs, "CaptureTables", "")))
}

output "changes_by" {
  description = "What brings changes into the stream."
  value       = lookup(local.outputs, "ChangesBy", null)
}

output "changes_stream" {
  description = "Stream of changes."
  value       = lookup(local.outputs, "ChangesStream", null)
}

output "changes_stream_arn" {
  description = "Its ARN."
  value       = lookup(local.outputs, "ChangesStreamArn", null)
}

output "capture_job" {
  description = "Glue job of the capture, and `name` of its configuration."
  value       = lookup(local.outputs, "CaptureJob", null)
}

output "capture_base_path" {
  description = "Below it each captured table lies under its name."
  value       = lookup(local.outputs, "CaptureBasePath", null)
}

output "capture_dead_letters" {
  description = "Where its dead letters lie."
  value       = lookup(local.outputs, "CaptureDeadLetters", null)
}

output "backfill_job" {
  description = "Glue job of the backfill."
  value       = lookup(local.outputs, "BackfillJob", null)
}

output "backfill_dead_letters" {
  description = "Where its dead letters lie, under the table's name."
  value       = lookup(local.outputs, "BackfillDeadLetters", null)
}

output "replicate_job" {
  description = "Glue job of the replication."
  value       = lookup(local.outputs, "ReplicateJob", null)
}

output "replicate_dead_letters" {
  description = "Where its dead letters lie."
  value       = lookup(local.outputs, "ReplicateDeadLetters", null)
}

output "control_table" {
  description = "Control table of the replication."
  value       = lookup(local.outputs, "ControlTable", null)
}

output "mysql_secret_arn" {
  description = "Secret of the replication by the job, as given."
  value       = lookup(local.outputs, "MySqlSecretArn", null)
}

output "workflow" {
  description = "ARN of the state machine."
  value       = lookup(local.outputs, "Workflow", null)
}

output "topic" {
  description = "ARN of the topic that alarms tell."
  value       = lookup(local.outputs, "Topic", null)
}

output "dashboard" {
  description = "Name of the dashboard."
  value       = lookup(local.outputs, "Dashboard", null)
}

output "artefacts_bucket" {
  description = "Bucket of templates, scripts, wheels and configurations."
  value       = local.artefacts_bucket
}
