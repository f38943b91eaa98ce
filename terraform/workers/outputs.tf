output "cluster" {
  description = "The ECS cluster that the workers run in."
  value       = aws_ecs_cluster.workers.name
}

output "log_group" {
  description = "Where the workers write their logs."
  value       = aws_cloudwatch_log_group.workers.name
}

output "security_group_id" {
  description = "Security group of the workers, for a rule that lets them into a database of your own."
  value       = aws_security_group.workers.id
}
