# One role a job. Which document trusts whom and which says what may be done is all that tells them apart.
locals {
  roles = {
    provisioning = { name = local.provisioning_role, trust = "job_trust.json", policy = "provisioning_policy.json" }
    retirement   = { name = local.retirement_role, trust = "job_trust.json", policy = "retirement_policy.json" }
    ingestion    = { name = local.ingestion_role, trust = "job_trust.json", policy = "ingestion_policy.json" }
    webhooks     = { name = local.webhooks_role, trust = "job_trust.json", policy = "webhooks_policy.json" }
    dispatch     = { name = local.dispatch_role, trust = "job_trust.json", policy = "dispatch_policy.json" }
    storage      = { name = local.storage_role, trust = "job_trust.json", policy = "storage_policy.json" }
    watching     = { name = local.watching_role, trust = "job_trust.json", policy = "watching_policy.json" }
    web          = { name = local.web_role, trust = "job_trust.json", policy = "web_policy.json" }
    worker       = { name = local.worker_role, trust = "job_trust.json", policy = "" } # those of its jobs, below
    rule         = { name = local.rule_role, trust = "iot_trust.json", policy = "rule_policy.json" }
    iot_logging  = { name = local.iot_logging_role, trust = "iot_trust.json", policy = "iot_logging_policy.json" }
    # Its trust names no aws:SourceAccount: API Gateway says none when it takes on an integration's role, so that a
    # condition on it would refuse every webhook.
    webhook_gateway = {
      name   = local.webhook_gateway_role
      trust  = "api_gateway_trust.json"
      policy = "webhook_gateway_policy.json"
    }
  }
}

# Whom a job's role trusts: the principals that are named, and AWS's services where the jobs run. On EKS a pod with a token
# may ask for whichever role trusts its service account, so each role names its own and the others none.
locals {
  job_trusts = {
    for job, role in local.roles : job => jsonencode({
      Version = "2012-10-17"
      Statement = flatten([
        for name in concat(["job_trust.json"], [
          for place in sort(var.job_places) : "job_trust_${place}.json"
          if !startswith(place, "eks_") || contains(keys(var.kubernetes_service_accounts), job)
        ]) : jsondecode(templatefile("${path.module}/documents/${name}", merge(local.document_values, local.pods[job]))).Statement
      ])
    }) if role.trust == "job_trust.json"
  }
  pods = {
    for job in keys(local.roles) : job => {
      kubernetes_service_accounts = jsonencode(lookup(var.kubernetes_service_accounts, job, []))
      kubernetes_subjects = jsonencode([
        for name in lookup(var.kubernetes_service_accounts, job, []) : "system:serviceaccount:${var.kubernetes_namespace}:${name}"
      ])
    }
  }
}

resource "aws_iam_role" "this" {
  for_each = local.roles

  name = each.value.name
  assume_role_policy = (
    each.value.trust == "job_trust.json" ? local.job_trusts[each.key] :
    templatefile("${path.module}/documents/${each.value.trust}", local.document_values)
  )
}

resource "aws_iam_role_policy" "this" {
  for_each = { for job, role in local.roles : job => role if role.policy != "" }

  name   = each.value.name
  role   = aws_iam_role.this[each.key].name
  policy = templatefile("${path.module}/documents/${each.value.policy}", local.document_values)
}

# The jobs that one worker does by turns, where AWS hands a worker its role: a pod of Kubernetes (deploy/kubernetes/).
resource "aws_iam_role_policy" "worker" {
  for_each = toset(["dispatch", "storage", "watching", "webhooks"])

  name   = each.key
  role   = aws_iam_role.this["worker"].name
  policy = templatefile("${path.module}/documents/${each.key}_policy.json", local.document_values)
}
