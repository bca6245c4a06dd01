# Orders joined with a country table: both stacks, the wheel, and the configuration, which is made of the outputs.
#
#   make dist && terraform -chdir=infra/terraform/examples/orders init && terraform -chdir=infra/terraform/examples/orders apply

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

provider "aws" {
  region = "eu-central-1"
}

module "streamjoin" {
  source = "../.."

  name             = "orders-dev"
  wheels           = ["${path.module}/../../../../dist/streamjoin-0.1.0-py3-none-any.whl"]
  reference_tables = ["tgt_country_lookup_table:code:countryname"]
  events_shards    = 4
  keep_data        = "Delete"
  alarm_email      = "data-team@example.com"
  tags             = { team = "data" }

  configurations = {
    enrich = yamlencode({
      job     = "enrich"
      name    = module.streamjoin.enrich_job
      source  = { kinesis = { stream_name = module.streamjoin.events_stream, starting_position = "TRIM_HORIZON" } }
      payload = { schema = "uuid string, country string, orderdate string, unitssold string" }
      references = [{
        name     = "tgt_country_lookup_table"
        dynamodb = { table_name = "tgt_country_lookup_table" }
        on       = { country = "countryname" }
        columns  = ["code", "combinedname"]
      }]
      sink = { hudi = {
        base_path  = module.streamjoin.enrich_base_path
        database   = module.streamjoin.database
        table_name = module.streamjoin.lake_table
        record_key = ["uuid"]
        ordering   = { column = "orderdate", format = "M/d/yy" }
        catalog    = "glue"
      } }
      dead_letters = { base_path = module.streamjoin.enrich_dead_letters }
      metrics      = { cloudwatch_namespace = module.streamjoin.metrics_namespace }
    })
  }
}

output "job" {
  description = "The Glue job; `aws glue start-job-run --job-name` starts it."
  value       = module.streamjoin.enrich_job
}
