# Devices publish to $aws/rules/RULE/devices/THING/telemetry (Basic Ingest): the rule runs, the broker is not passed.
resource "aws_iot_topic_rule" "telemetry" {
  name        = local.telemetry_rule
  description = "Telemetry of the batteries to the queue that ingestion reads"
  enabled     = true
  sql         = trimspace(file("${path.module}/documents/telemetry_rule.sql"))
  sql_version = "2016-03-23"

  sqs {
    queue_url  = aws_sqs_queue.telemetry.id
    role_arn   = aws_iam_role.this["rule"].arn
    use_base64 = false
  }

  error_action {
    sqs {
      queue_url  = aws_sqs_queue.rule_errors.id
      role_arn   = aws_iam_role.this["rule"].arn
      use_base64 = false
    }
  }

  depends_on = [aws_iam_role_policy.this]
}
