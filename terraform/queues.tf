# None of these waits for another: the provider takes about 25 s for each queue's attributes, so they are made at once
# and the redrives, which need two of them each, are set afterwards.
resource "aws_sqs_queue" "telemetry" {
  name                       = local.telemetry_queue
  max_message_size           = 256 * 1024
  message_retention_seconds  = 14 * 24 * 3600
  receive_wait_time_seconds  = 20
  visibility_timeout_seconds = 120
  sqs_managed_sse_enabled    = true
}

resource "aws_sqs_queue" "telemetry_dead_letters" {
  name                      = local.telemetry_dead_letter_queue
  max_message_size          = 256 * 1024
  message_retention_seconds = 14 * 24 * 3600
  receive_wait_time_seconds = 20
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue" "rule_errors" {
  name                      = local.rule_error_queue
  max_message_size          = 256 * 1024
  message_retention_seconds = 14 * 24 * 3600
  receive_wait_time_seconds = 20
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue_redrive_policy" "telemetry" {
  queue_url = aws_sqs_queue.telemetry.id
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.telemetry_dead_letters.arn
    maxReceiveCount     = 10
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "telemetry_dead_letters" {
  queue_url = aws_sqs_queue.telemetry_dead_letters.id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.telemetry.arn]
  })
}

resource "aws_sqs_queue" "webhooks" {
  name                       = local.webhook_queue
  max_message_size           = 256 * 1024
  message_retention_seconds  = 14 * 24 * 3600
  receive_wait_time_seconds  = 20
  visibility_timeout_seconds = 60
  sqs_managed_sse_enabled    = true
}

resource "aws_sqs_queue" "webhook_dead_letters" {
  name                      = local.webhook_dead_letter_queue
  max_message_size          = 256 * 1024
  message_retention_seconds = 14 * 24 * 3600
  receive_wait_time_seconds = 20
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue_redrive_policy" "webhooks" {
  queue_url = aws_sqs_queue.webhooks.id
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.webhook_dead_letters.arn
    maxReceiveCount     = 10
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "webhook_dead_letters" {
  queue_url = aws_sqs_queue.webhook_dead_letters.id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.webhooks.arn]
  })
}
