# Flip posts its webhooks to an API Gateway route that hands them straight to a queue: nothing of ours has to be up.
# Whoever posts is a stranger until process-webhooks has checked the signature, so the route only counts and passes on.
locals {
  # Headers arrive in the sender's spelling, so the template looks for them in every one. What lacks them goes to the
  # queue too: process-webhooks refuses it, and an operator sees that somebody posts without.
  webhook_template = trimspace(file("${path.module}/documents/webhook_request.vtl"))

  # Flip says JSON; some clients say text, or nothing, of the same bytes. Any other type is answered with 415. Whether a
  # template is for a type with a charset too AWS does not say, so each usual spelling is named.
  webhook_charsets = ["", "; charset=utf-8", ";charset=utf-8", "; charset=UTF-8", ";charset=UTF-8"]
  webhook_templates = {
    for type in setproduct(["application/json", "text/plain"], local.webhook_charsets) : join("", type) => local.webhook_template
  }

  # What the queue answered, and what is said to Flip for it: 200 only for what the queue took.
  webhook_answers = {
    "200" = { pattern = "200", body = "{}" }
    "400" = { pattern = "400", body = jsonencode({ message = "The queue refused it: too large, or not text." }) }
    "502" = { pattern = null, body = jsonencode({ message = "The queue did not take it: send it again." }) }
  }
}

resource "aws_api_gateway_rest_api" "webhooks" {
  name        = local.webhook_api
  description = "Takes webhooks from Flip for a queue"

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_resource" "webhooks" {
  rest_api_id = aws_api_gateway_rest_api.webhooks.id
  parent_id   = aws_api_gateway_rest_api.webhooks.root_resource_id
  path_part   = "webhooks"
}

resource "aws_api_gateway_method" "post" {
  rest_api_id   = aws_api_gateway_rest_api.webhooks.id
  resource_id   = aws_api_gateway_resource.webhooks.id
  http_method   = "POST"
  authorization = "NONE"
}

resource "aws_api_gateway_integration" "queue" {
  rest_api_id             = aws_api_gateway_rest_api.webhooks.id
  resource_id             = aws_api_gateway_resource.webhooks.id
  http_method             = aws_api_gateway_method.post.http_method
  type                    = "AWS"
  integration_http_method = "POST"
  uri                     = "arn:${local.partition}:apigateway:${local.region}:sqs:path/${local.account}/${local.webhook_queue}"
  credentials             = aws_iam_role.this["webhook_gateway"].arn
  passthrough_behavior    = "NEVER"
  request_parameters      = { "integration.request.header.Content-Type" = "'application/x-www-form-urlencoded'" }
  request_templates       = local.webhook_templates
  # Flip waits five seconds; a 504 in time has it deliver again.
  timeout_milliseconds = 4500
}

resource "aws_api_gateway_method_response" "this" {
  for_each = local.webhook_answers

  rest_api_id     = aws_api_gateway_rest_api.webhooks.id
  resource_id     = aws_api_gateway_resource.webhooks.id
  http_method     = aws_api_gateway_method.post.http_method
  status_code     = each.key
  response_models = { "application/json" = "Empty" }
}

resource "aws_api_gateway_integration_response" "this" {
  for_each = local.webhook_answers

  rest_api_id        = aws_api_gateway_rest_api.webhooks.id
  resource_id        = aws_api_gateway_resource.webhooks.id
  http_method        = aws_api_gateway_method.post.http_method
  status_code        = aws_api_gateway_method_response.this[each.key].status_code
  selection_pattern  = each.value.pattern
  response_templates = { "application/json" = each.value.body }

  depends_on = [aws_api_gateway_integration.queue]
}

# A deployment is a snapshot: without a new one a changed route stays as it was.
resource "aws_api_gateway_deployment" "webhooks" {
  rest_api_id = aws_api_gateway_rest_api.webhooks.id

  # What is written, not what is read back: AWS fills in lists that were not set.
  triggers = {
    route = sha1(join("\n", [
      filesha1("${path.module}/webhooks.tf"),
      local.webhook_template,
      aws_api_gateway_integration.queue.uri,
      aws_api_gateway_integration.queue.credentials,
    ]))
  }

  lifecycle {
    create_before_destroy = true
  }

  depends_on = [aws_api_gateway_integration_response.this]
}

resource "aws_api_gateway_stage" "webhooks" {
  rest_api_id   = aws_api_gateway_rest_api.webhooks.id
  deployment_id = aws_api_gateway_deployment.webhooks.id
  stage_name    = "live"
}

resource "aws_api_gateway_method_settings" "webhooks" {
  rest_api_id = aws_api_gateway_rest_api.webhooks.id
  stage_name  = aws_api_gateway_stage.webhooks.stage_name
  method_path = "*/*"

  settings {
    throttling_rate_limit  = var.webhooks_per_second
    throttling_burst_limit = var.webhook_burst
  }
}
