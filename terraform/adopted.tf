# AWS refuses to make these twice. One that exists and that the state does not know (its create was done, but the answer
# was lost on the way) is taken over instead; one that the state knows is passed over.
import {
  for_each = setintersection(var.existing, [local.telemetry_rule])
  to       = aws_iot_topic_rule.telemetry
  id       = each.value
}

import {
  for_each = setintersection(var.existing, [local.device_policy])
  to       = aws_iot_policy.device
  id       = each.value
}

import {
  for_each = setintersection(var.existing, [local.smtp_user])
  to       = aws_iam_user.smtp
  id       = each.value
}

import {
  for_each = { for job, role in local.roles : job => role.name if contains(var.existing, role.name) }
  to       = aws_iam_role.this[each.key]
  id       = each.value
}

# The only bucket among the names; its own holds the account's number, which a plan knows too late for this.
import {
  for_each = toset([for name in var.existing : name if endswith(name, "-ar")])
  to       = aws_s3_bucket.archive
  id       = each.value
}
