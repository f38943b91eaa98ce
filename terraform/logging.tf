resource "aws_iot_logging_options" "this" {
  role_arn          = aws_iam_role.this["iot_logging"].arn
  default_log_level = var.iot_log_level
  disable_all_logs  = false

  depends_on = [aws_iam_role_policy.this]
}
