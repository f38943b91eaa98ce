output "bucket" {
  description = "Bucket that holds the state."
  value       = aws_s3_bucket.state.id
}

output "lock_table" {
  description = "Table that holds the lock."
  value       = aws_dynamodb_table.lock.name
}
