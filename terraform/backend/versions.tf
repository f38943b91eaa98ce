# No backend: this root keeps no state. What exists already is imported at each run (imports.tf), so it converges from
# any machine and cannot lose a state file.
terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  s3_use_path_style = var.use_path_style
}
