# The templates of the folder above, deployed as they are: what is made, and how, is said there alone.

locals {
  templates     = "${path.module}/.."
  scripts       = "${path.module}/../../jobs"
  template_keys = sort(fileset(local.templates, "*.yaml"))

  # What the stacks need in their bucket: an object's key below the prefix, and the file that it is a copy of.
  artefacts = merge(
    { for file in local.template_keys : "infra/${file}" => "${local.templates}/${file}" },
    { for file in fileset(local.scripts, "*.py") : "jobs/${file}" => "${local.scripts}/${file}" },
    { for file in var.wheels : "wheels/${basename(file)}" => file },
  )

  artefacts_bucket = aws_cloudformation_stack.artefacts.outputs["ArtefactsBucket"]

  # The parameters of streamjoin.yaml; one that is null keeps the template's default.
  parameters = {
    Name                = var.name
    ArtefactsBucket     = local.artefacts_bucket
    ArtefactsPrefix     = var.artefacts_prefix
    PythonModules       = var.python_modules
    PipOptions          = var.pip_options
    KeepData            = var.keep_data
    KmsKeyArn           = var.kms_key_arn
    PointInTimeRecovery = var.point_in_time_recovery
    Enrich              = var.enrich
    LakeTable           = var.lake_table
    Database            = var.database
    EventsStream        = var.events_stream
    EventsShards        = var.events_shards
    ChangesShards       = var.changes_shards
    RetentionHours      = var.retention_hours
    FanOutConsumer      = var.fan_out_consumer
    ReferenceTables     = var.reference_tables == null ? null : join(",", var.reference_tables)
    CaptureTables       = var.capture_tables == null ? null : join(",", var.capture_tables)
    ChangesBy           = var.changes_by
    GlueVersion         = var.glue_version
    WorkerType          = var.worker_type
    Workers             = var.workers
    MaintenanceWindow   = var.maintenance_window
    Retries             = var.retries
    Replication         = var.replication
    MySqlSecretArn      = var.mysql_secret_arn
    MySqlEngine         = var.mysql_engine
    CertificateArn      = var.certificate_arn
    Subnets             = var.subnets == null ? null : join(",", var.subnets)
    AvailabilityZone    = var.availability_zone
    SecurityGroups      = var.security_groups == null ? null : join(",", var.security_groups)
    TableMappings       = var.table_mappings
    DmsInstanceClass    = var.dms_instance_class
    DmsVpcRole          = var.dms_vpc_role
    Alarms              = var.alarms
    AlarmEmail          = var.alarm_email
    LagSeconds          = var.lag_seconds
    FreshnessSeconds    = var.freshness_seconds
    ReferenceAgeSeconds = var.reference_age_seconds
    DeadLetters         = var.dead_letters
    NoncurrentDays      = var.noncurrent_days
    LogDays             = var.log_days
  }

  # What isn't made has no output.
  outputs = aws_cloudformation_stack.streamjoin.outputs
}

data "aws_region" "current" {}

resource "aws_cloudformation_stack" "artefacts" {
  name          = "${var.name}-artefacts"
  template_body = file("${local.templates}/artefacts.yaml")
  capabilities  = ["CAPABILITY_AUTO_EXPAND"]
  tags          = var.tags

  parameters = {
    for name, value in { Name = var.name, KeepData = var.keep_data, KmsKeyArn = var.kms_key_arn } :
    name => value if value != null
  }
}

resource "aws_s3_object" "artefacts" {
  for_each = local.artefacts

  bucket      = local.artefacts_bucket
  key         = "${var.artefacts_prefix}/${each.key}"
  source      = each.value
  source_hash = filemd5(each.value)
}

resource "aws_cloudformation_stack" "streamjoin" {
  name         = var.name
  template_url = "https://s3.${data.aws_region.current.id}.amazonaws.com/${local.artefacts_bucket}/${var.artefacts_prefix}/infra/streamjoin.yaml"
  parameters   = { for name, value in local.parameters : name => tostring(value) if value != null }
  capabilities = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]

  # The URL is the same when a template has changed; by this tag the stack is updated all the same.
  tags = merge(var.tags, {
    "streamjoin:templates" = sha1(join("", [for file in local.template_keys : filesha1("${local.templates}/${file}")]))
  })

  depends_on = [aws_s3_object.artefacts]
}

# After the stack, so that a configuration can be made of its outputs.
resource "aws_s3_object" "configurations" {
  for_each = var.configurations

  bucket       = local.artefacts_bucket
  key          = "${var.artefacts_prefix}/conf/${each.key}.yaml"
  content      = each.value
  content_type = "application/yaml"

  depends_on = [aws_cloudformation_stack.streamjoin]
}
