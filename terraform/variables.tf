variable "project" {
  description = "Prefix of every resource's name: 3 to 32 lower-case letters, digits and hyphens, starting with a letter."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.project))
    error_message = "Use 3 to 32 lower-case letters, digits and hyphens, starting with a letter."
  }
}

variable "job_principals" {
  description = "ARNs of the users and roles that may assume the jobs' roles. Empty: whom this account's IAM allows to."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.job_principals : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(root|(user|role)/[^*?]+)$", arn))])
    error_message = "Name users and roles by their ARNs in IAM, arn:aws:iam::ACCOUNT:role/NAME, without wildcards; of an SSO session the role's, not the session's in sts: aws iam list-roles --path-prefix /aws-reserved/sso.amazonaws.com/ shows it."
  }
}

variable "job_places" {
  description = "Where the jobs run besides: ecs_tasks, ec2 (an instance profile), eks_pod_identity, eks_irsa. AWS itself hands them their role there."
  type        = set(string)
  default     = []

  validation {
    condition     = length(setsubtract(var.job_places, ["ecs_tasks", "ec2", "eks_pod_identity", "eks_irsa"])) == 0
    error_message = "Use ecs_tasks, ec2, eks_pod_identity or eks_irsa."
  }
}

variable "kubernetes_namespace" {
  description = "The namespace of the workers on EKS."
  type        = string
  default     = "flip-fleet"
}

variable "kubernetes_service_accounts" {
  description = "The service accounts there that may have a job's role, by the job: a key of local.roles in roles.tf."
  type        = map(list(string))
  default     = { ingestion = ["ingestion-worker"], worker = ["worker"] }

  validation {
    condition     = length(setsubtract(keys(var.kubernetes_service_accounts), ["provisioning", "retirement", "ingestion", "webhooks", "dispatch", "storage", "watching", "web", "worker"])) == 0
    error_message = "Use the jobs provisioning, retirement, ingestion, webhooks, dispatch, storage, watching, web and worker."
  }

  validation {
    condition     = alltrue([for names in values(var.kubernetes_service_accounts) : length(names) > 0 && !anytrue([for name in names : strcontains(name, "*")])])
    error_message = "Name each service account; a wildcard would let every pod of the namespace in."
  }
}

variable "oidc_issuer" {
  description = "For eks_irsa: the cluster's OIDC issuer without https://, oidc.eks.REGION.amazonaws.com/id/ID, which IAM knows as a provider."
  type        = string
  default     = ""

  validation {
    condition     = !contains(var.job_places, "eks_irsa") || can(regex("^[a-z0-9.-]+/id/[A-Z0-9]+$", var.oidc_issuer))
    error_message = "eks_irsa needs the cluster's OIDC issuer without https://: aws eks describe-cluster --query cluster.identity.oidc.issuer."
  }
}

variable "sender_email" {
  description = "Address that sign-in mails are sent from; SES mails it a link to verify it."
  type        = string
}

variable "alarm_email" {
  description = "Address that receives the alarms; SNS mails it a link to confirm. Empty: alarms without a subscriber."
  type        = string
  default     = ""
}

variable "oldest_message_alarm_s" {
  description = "The alarm on ingestion fires when the oldest telemetry message has waited longer, seconds."
  type        = number
  default     = 900
}

variable "oldest_webhook_alarm_s" {
  description = "The alarm on webhooks fires when the oldest has waited longer, seconds; Flip wants an answer in 900."
  type        = number
  default     = 300
}

variable "webhooks_per_second" {
  description = "Webhooks that API Gateway takes a second over a longer time; what comes faster is answered with 429."
  type        = number
  default     = 100
}

variable "webhook_burst" {
  description = "Webhooks that API Gateway takes at once."
  type        = number
  default     = 500
}

variable "iot_log_level" {
  description = "Level of IoT Core's logs, an account-wide setting: DEBUG, INFO, WARN, ERROR or DISABLED."
  type        = string
  default     = "WARN"
}

variable "existing" {
  description = "Names of the rule, policy, user, roles and archive of this project that exist already; see adopted.tf."
  type        = set(string)
  default     = []
}
