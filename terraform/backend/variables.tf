variable "bucket" {
  description = "Name of the bucket that holds the state."
  type        = string
}

variable "lock_table" {
  description = "Name of the DynamoDB table that holds the lock."
  type        = string
}

variable "bucket_exists" {
  description = "Whether the bucket is there already and is taken over instead of made."
  type        = bool
  default     = false
}

variable "lock_table_exists" {
  description = "Whether the table is there already and is taken over instead of made."
  type        = bool
  default     = false
}

variable "use_path_style" {
  description = "Address the bucket in the path instead of in the host name; emulators need it."
  type        = bool
  default     = false
}
