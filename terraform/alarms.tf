resource "aws_sns_topic" "alarms" {
  #checkov:skip=CKV_AWS_26:CloudWatch may not publish to a topic under the key alias/aws/sns, and a key of one's own costs a dollar a month for names of alarms.
  name = local.alarm_topic
}

resource "aws_sns_topic_subscription" "operator" {
  count = var.alarm_email == "" ? 0 : 1

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

locals {
  alarms = {
    telemetry_age = {
      name        = "${var.project}-telemetry-age"
      description = "Telemetry waits: ingestion does not keep up or does not run."
      queue       = local.telemetry_queue
      metric      = "ApproximateAgeOfOldestMessage"
      threshold   = var.oldest_message_alarm_s
    }
    telemetry_dead_letters = {
      name        = "${var.project}-telemetry-dead-letters"
      description = "Messages that ingestion took ten times and could not store."
      queue       = local.telemetry_dead_letter_queue
      metric      = "ApproximateNumberOfMessagesVisible"
      threshold   = 0
    }
    rule_errors = {
      name        = "${var.project}-rule-errors"
      description = "Messages that the topic rule could not hand to the telemetry queue."
      queue       = local.rule_error_queue
      metric      = "ApproximateNumberOfMessagesVisible"
      threshold   = 0
    }
    webhooks_age = {
      name        = "${var.project}-webhooks-age"
      description = "Webhooks wait: process-webhooks does not keep up or does not run."
      queue       = local.webhook_queue
      metric      = "ApproximateAgeOfOldestMessage"
      threshold   = var.oldest_webhook_alarm_s
    }
    webhooks_dead_letters = {
      name        = "${var.project}-webhooks-dead-letters"
      description = "Webhooks that process-webhooks took ten times and could not store."
      queue       = local.webhook_dead_letter_queue
      metric      = "ApproximateNumberOfMessagesVisible"
      threshold   = 0
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = each.value.name
  alarm_description   = each.value.description
  namespace           = "AWS/SQS"
  metric_name         = each.value.metric
  dimensions          = { QueueName = each.value.queue }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  # A queue nobody used for hours reports nothing.
  treat_missing_data = "notBreaching"
  alarm_actions      = [aws_sns_topic.alarms.arn]
  ok_actions         = [aws_sns_topic.alarms.arn]
}
