# Workers of the Prefect pool `fleet-ecs` as services of ECS. A root of its own: the demo does not apply it, and the
# fleet runs without it. docs/workers.md says how to apply it.
terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # Bucket, key and region are given at init: they hold the account and the project.
  backend "s3" {}
}

provider "aws" {}
