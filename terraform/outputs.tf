output "telemetry_queue_url" {
  description = "Queue that ingestion reads."
  value       = aws_sqs_queue.telemetry.id
}

output "telemetry_queue_arn" {
  description = "The same queue, as IAM names it."
  value       = aws_sqs_queue.telemetry.arn
}

output "telemetry_dead_letter_queue_url" {
  description = "Queue of the messages that ingestion took ten times and could not store."
  value       = aws_sqs_queue.telemetry_dead_letters.id
}

output "rule_error_queue_url" {
  description = "Queue of the messages that the topic rule could not deliver, with their raw bytes."
  value       = aws_sqs_queue.rule_errors.id
}

output "telemetry_rule_name" {
  description = "Topic rule that devices address with Basic Ingest."
  value       = aws_iot_topic_rule.telemetry.name
}

output "device_policy_name" {
  description = "IoT policy attached to every device's certificate."
  value       = aws_iot_policy.device.name
}

output "thing_type_name" {
  description = "Type of every battery's thing."
  value       = aws_iot_thing_type.battery.name
}

output "thing_group_name" {
  description = "Group of every battery's thing."
  value       = aws_iot_thing_group.batteries.name
}

output "provisioning_role_arn" {
  description = "Role for the flow that provisions devices."
  value       = aws_iam_role.this["provisioning"].arn
}

output "retirement_role_arn" {
  description = "Role for the flow that retires devices."
  value       = aws_iam_role.this["retirement"].arn
}

output "ingestion_role_arn" {
  description = "Role for the flows that read the telemetry queue."
  value       = aws_iam_role.this["ingestion"].arn
}

output "webhooks_role_arn" {
  description = "Role for the flow that processes webhooks."
  value       = aws_iam_role.this["webhooks"].arn
}

output "webhook_url" {
  description = "Address to register with Flip for its webhooks."
  value       = "${aws_api_gateway_stage.webhooks.invoke_url}${aws_api_gateway_resource.webhooks.path}"
}

output "dispatch_role_arn" {
  description = "Role for the flow that sends commands to the batteries."
  value       = aws_iam_role.this["dispatch"].arn
}

output "watching_role_arn" {
  description = "Role for the flow that watches the queues."
  value       = aws_iam_role.this["watching"].arn
}

output "web_role_arn" {
  description = "Role for the web app, which checks a registration link against IoT Core."
  value       = aws_iam_role.this["web"].arn
}

output "alarm_topic_arn" {
  description = "SNS topic of the alarms."
  value       = aws_sns_topic.alarms.arn
}

output "smtp_host" {
  description = "SES's SMTP server, port 587 with STARTTLS."
  value       = "email-smtp.${local.region}.amazonaws.com"
}

output "smtp_username" {
  description = "User name at that server."
  value       = aws_iam_access_key.smtp.id
}

output "smtp_password" {
  description = "Password at that server."
  value       = aws_iam_access_key.smtp.ses_smtp_password_v4
  sensitive   = true
}
