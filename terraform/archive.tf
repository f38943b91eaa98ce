# Days of telemetry that left the database, one Parquet file or a few each. No flow of ours deletes any: a bucket with
# files in it stays when the rest is destroyed, and Terraform says so.
variable "archive_cold_after_days" {
  description = "Days until an archived file moves to Glacier Instant Retrieval: a fifth of the price, dearer to read."
  type        = number
  default     = 30

  validation {
    condition     = var.archive_cold_after_days >= 1
    error_message = "Use 1 day or more."
  }
}

resource "aws_s3_bucket" "archive" {
  #checkov:skip=CKV_AWS_18:Reads and writes by name are in CloudTrail where an account has data events on; a log bucket doubles what is kept.
  #checkov:skip=CKV_AWS_144:The database has the newest days; a copy in another region doubles the price of what nobody may ever read.
  #checkov:skip=CKV_AWS_145:Encrypted by S3's own keys. A key of KMS's costs a dollar a month and a call a file, and who may read the bucket may use it.
  #checkov:skip=CKV2_AWS_62:Nothing waits for a file: the ledger in the database says what is archived.
  bucket = local.archive_bucket
}

resource "aws_s3_bucket_versioning" "archive" {
  bucket = aws_s3_bucket.archive.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "archive" {
  bucket = aws_s3_bucket.archive.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "archive" {
  bucket = aws_s3_bucket.archive.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "archive" {
  bucket = aws_s3_bucket.archive.id

  rule {
    id     = "cold"
    status = "Enabled"

    filter {
      prefix = "telemetry/"
    }

    transition {
      days          = var.archive_cold_after_days
      storage_class = "GLACIER_IR"
    }
  }

  rule {
    id     = "unfinished"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.archive]
}

output "archive_bucket" {
  description = "Bucket of the telemetry that left the database."
  value       = aws_s3_bucket.archive.id
}

output "storage_role_arn" {
  description = "Role for the flow that archives telemetry, and for reading the archive."
  value       = aws_iam_role.this["storage"].arn
}
