variable "project" {
  description = "Prefix of every resource's name; the same as that of terraform/ (FLEET_PROJECT)."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.project))
    error_message = "Use 3 to 32 lower-case letters, digits and hyphens, starting with a letter."
  }
}

variable "image_repository_arn" {
  description = "ARN of the ECR repository that holds the image of deploy/Containerfile."
  type        = string
}

variable "image" {
  description = "The image by digest, REPOSITORY@sha256:..., so that what runs is what was pushed."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "Name the image by its digest: REPOSITORY@sha256:..."
  }
}

variable "vpc_id" {
  description = "VPC that the workers run in."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of that VPC with a way out: a NAT gateway, or endpoints for SQS, ECR, Logs and Secrets Manager."
  type        = list(string)
}

variable "prefect_api_url" {
  description = "Prefect server that the workers ask for runs, https://HOST/api."
  type        = string
}

variable "outbound_ports" {
  description = "TCP ports that workers may connect to: HTTPS, PostgreSQL or Supabase's pooler, the Prefect server."
  type        = set(number)
  default     = [443, 5432, 6543]
}

variable "secret_arns" {
  description = "ARN of a Secrets Manager secret for each variable: DATABASE_URL, FLEET_COMMAND_KEY, FLEET_FLIP_TOKEN, FLEET_FLIP_WEBHOOK_SECRET, and PREFECT_API_AUTH_STRING or, for Cloud, PREFECT_API_KEY."
  type        = map(string)

  validation {
    condition     = length(setsubtract(["DATABASE_URL", "FLEET_COMMAND_KEY", "FLEET_FLIP_TOKEN", "FLEET_FLIP_WEBHOOK_SECRET"], keys(var.secret_arns))) == 0
    error_message = "Workers need DATABASE_URL, FLEET_COMMAND_KEY, FLEET_FLIP_TOKEN and FLEET_FLIP_WEBHOOK_SECRET: flows fail without."
  }
}

variable "settings" {
  description = "Further settings by variable, no secrets: FLEET_FLIP_BASE_URL and so on (.env.example)."
  type        = map(string)
  default     = {}
}

variable "ingestion_workers" {
  description = "Workers that ingest, each one run at a time; `fleet capacity` says how many."
  type        = number
  default     = 1

  validation {
    condition     = var.ingestion_workers >= 1 && var.ingestion_workers <= 32
    error_message = "Use 1 to 32."
  }
}

variable "general_runs_at_once" {
  description = "Runs that the worker for everything else has at once."
  type        = number
  default     = 8
}

variable "log_retention_days" {
  description = "Days that the workers' logs are kept."
  type        = number
  default     = 30
}
