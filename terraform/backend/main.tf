resource "aws_s3_bucket" "state" {
  #checkov:skip=CKV_AWS_18:One role reads and writes it, which CloudTrail names; a log bucket would need one of its own.
  #checkov:skip=CKV_AWS_144:The state can be made anew from what exists: each plan adopts it.
  #checkov:skip=CKV_AWS_145:Encrypted by S3's own keys; who may read the bucket could use a key of KMS's as well.
  #checkov:skip=CKV2_AWS_61:What old versions become is said by state.tf, a folder up.
  #checkov:skip=CKV2_AWS_62:Nothing waits for a new state.
  bucket = var.bucket

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket = aws_s3_bucket.state.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_dynamodb_table" "lock" {
  #checkov:skip=CKV_AWS_28:It holds a lock and the state's checksum for as long as a run takes: there is nothing to go back to.
  #checkov:skip=CKV_AWS_119:The same: nothing of it is secret.
  name         = var.lock_table
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "LockID"

  attribute {
    name = "LockID"
    type = "S"
  }

  lifecycle {
    prevent_destroy = true
  }
}
