terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # Bucket, key, region and lock table are given at init: they hold the account and the project.
  backend "s3" {}
}

# Region, credentials and, for an emulator, the endpoint come from the environment (AWS_REGION, AWS_ENDPOINT_URL).
provider "aws" {}
