# The archive as a table: the files are Parquet in folders of a day, so Athena needs to be told nothing but this. No
# crawler and no partition to add: which days there are follows from the date ("partition projection").
variable "archive_table_since" {
  description = "The first day, YYYY-MM-DD, that the table of the archive shows to Athena. Empty: there is no table."
  type        = string
  default     = ""

  validation {
    condition     = var.archive_table_since == "" || can(regex("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", var.archive_table_since)) && can(timecmp("${var.archive_table_since}T00:00:00Z", "1970-01-01T00:00:00Z"))
    error_message = "Write the day as 2026-09-01, or leave it empty."
  }
}

locals {
  archive_tables   = var.archive_table_since == "" ? [] : ["telemetry"]
  archive_location = "s3://${local.archive_bucket}/telemetry/"
}

resource "aws_glue_catalog_database" "archive" {
  for_each    = toset(local.archive_tables)
  name        = local.archive_database
  description = "The archive of the fleet ${var.project}."
}

resource "aws_glue_catalog_table" "archive" {
  for_each      = toset(local.archive_tables)
  name          = each.key
  database_name = aws_glue_catalog_database.archive[each.key].name
  description   = "Samples that have left the database, one a row. Times are UTC."
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    "classification"               = "parquet"
    "EXTERNAL"                     = "TRUE"
    "projection.enabled"           = "true"
    "projection.day.type"          = "date"
    "projection.day.format"        = "yyyy-MM-dd"
    "projection.day.range"         = "${var.archive_table_since},NOW"
    "projection.day.interval"      = "1"
    "projection.day.interval.unit" = "DAYS"
    "storage.location.template"    = "${local.archive_location}day=$${day}/"
  }

  partition_keys {
    name    = "day"
    type    = "string"
    comment = "Of measured_at, UTC, as 2026-09-01."
  }

  storage_descriptor {
    location      = local.archive_location
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
      parameters            = { "serialization.format" = "1" }
    }

    dynamic "columns" {
      for_each = jsondecode(file("${path.module}/documents/archive_columns.json"))

      content {
        name    = columns.value.name
        type    = columns.value.type
        comment = columns.value.comment
      }
    }
  }
}
