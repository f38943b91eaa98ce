resource "aws_ses_email_identity" "sender" {
  email = var.sender_email
}

resource "aws_iam_user" "smtp" {
  #checkov:skip=CKV_AWS_273:SES's SMTP endpoint takes credentials of an IAM user alone, and Supabase speaks SMTP. It may send as one address.
  name = local.smtp_user
}

# On every identity, from this address only: SES asks about the sender's domain and about a recipient's own identity too,
# where those are verified in the account.
resource "aws_iam_user_policy" "smtp" {
  name   = local.smtp_user
  user   = aws_iam_user.smtp.name
  policy = templatefile("${path.module}/documents/smtp_policy.json", local.document_values)
}

# Its secret is in the state: the bucket is encrypted, private and versioned, and only operators may read it.
resource "aws_iam_access_key" "smtp" {
  user = aws_iam_user.smtp.name
}
