resource "aws_iot_policy" "device" {
  name   = local.device_policy
  policy = templatefile("${path.module}/documents/device_policy.json", local.document_values)
}

resource "aws_iot_thing_type" "battery" {
  name = local.thing_type

  properties {
    description           = "A home battery"
    searchable_attributes = ["model"]
  }
}

resource "aws_iot_thing_group" "batteries" {
  name = local.thing_group

  properties {
    description = "Every battery of ${var.project}"

    attribute_payload {
      attributes = {
        project = var.project
      }
    }
  }
}
