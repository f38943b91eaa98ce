# How long the bucket of this very state keeps old ones: they hold the secret of an SMTP user's key that may be in use still.
# `backend` makes the bucket, before there is a state. This is not made there because nothing has to wait for it, and the
# provider waits most of a minute for S3 to say it the same way again and again.
resource "aws_s3_bucket_lifecycle_configuration" "state" {
  bucket = local.state_bucket

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 90
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}
