data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

# Names: the same as ResourceNames and InfrastructureNames (fleet/infrastructure/names.py) derive.
locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name

  telemetry_queue             = "${var.project}-telemetry"
  telemetry_dead_letter_queue = "${var.project}-telemetry-dead-letters"
  rule_error_queue            = "${var.project}-rule-errors"
  webhook_queue               = "${var.project}-webhooks"
  webhook_dead_letter_queue   = "${var.project}-webhooks-dead-letters"
  webhook_api                 = "${var.project}-webhooks"
  telemetry_rule              = "${replace(var.project, "-", "_")}_telemetry"
  device_policy               = "${var.project}-device"
  thing_type                  = "${var.project}-battery"
  thing_group                 = "${var.project}-batteries"

  state_bucket     = "${var.project}-${local.account}-${local.region}-tf"
  archive_bucket   = "${var.project}-${local.account}-${local.region}-ar"
  archive_database = replace(var.project, "-", "_") # Athena takes no hyphen in a name that is not quoted

  provisioning_role    = "${var.project}-provisioning"
  retirement_role      = "${var.project}-retirement"
  ingestion_role       = "${var.project}-ingestion"
  storage_role         = "${var.project}-storage"
  webhooks_role        = "${var.project}-webhooks"
  dispatch_role        = "${var.project}-dispatch"
  watching_role        = "${var.project}-watching"
  web_role             = "${var.project}-web"
  worker_role          = "${var.project}-worker"
  rule_role            = "${var.project}-rule"
  webhook_gateway_role = "${var.project}-webhook-gateway"
  iot_logging_role     = "${var.project}-iot-logging"
  smtp_user            = "${var.project}-smtp"
  alarm_topic          = "${var.project}-alarms"

  job_principals = length(var.job_principals) > 0 ? var.job_principals : ["arn:${local.partition}:iam::${local.account}:root"]

  # What the templates in documents/ may use.
  document_values = {
    account                     = local.account
    partition                   = local.partition
    region                      = local.region
    project                     = var.project
    archive_bucket              = local.archive_bucket
    archive_database            = local.archive_database
    telemetry_queue             = local.telemetry_queue
    telemetry_dead_letter_queue = local.telemetry_dead_letter_queue
    rule_error_queue            = local.rule_error_queue
    webhook_queue               = local.webhook_queue
    webhook_dead_letter_queue   = local.webhook_dead_letter_queue
    telemetry_rule              = local.telemetry_rule
    basic_ingest                = "$aws/rules/${local.telemetry_rule}"
    device_policy               = local.device_policy
    thing_type                  = local.thing_type
    thing_group                 = local.thing_group
    sender_email                = var.sender_email
    job_principals              = jsonencode(local.job_principals)
    kubernetes_namespace        = var.kubernetes_namespace
    oidc_issuer                 = var.oidc_issuer
  }
}
