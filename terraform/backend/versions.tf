# This root keeps no state: what exists already is imported at each run (imports.tf), so it converges from any machine
# and cannot lose a state file. The path of the one that a run makes and drops is given at init.
terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  backend "local" {}
}

provider "aws" {
  s3_use_path_style = var.use_path_style
}
