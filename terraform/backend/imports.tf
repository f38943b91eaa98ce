# The bucket's settings need no import: AWS takes them again over what is there.
import {
  for_each = toset(var.bucket_exists ? [var.bucket] : [])
  to       = aws_s3_bucket.state
  id       = each.value
}

import {
  for_each = toset(var.lock_table_exists ? [var.lock_table] : [])
  to       = aws_dynamodb_table.lock
  id       = each.value
}
