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
  #checkov:skip=CKV_AWS_237:Two APIs at once would be two addresses, and Flip knows one.
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
  #checkov:skip=CKV_AWS_59:Flip has no credentials of AWS's: it signs what it posts, and process-webhooks checks that.
  #checkov:skip=CKV2_AWS_53:What lacks a header goes to the queue too: it is refused there, where an operator sees it.
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
  #checkov:skip=CKV_AWS_73:There is nothing behind the route but a queue.
  #checkov:skip=CKV_AWS_76:To write logs API Gateway takes one role for all of an account's APIs, which would replace what is set there. What passes is in the queue, what does not in the metrics 4XXError and 5XXError.
  #checkov:skip=CKV2_AWS_4:The same.
  #checkov:skip=CKV_AWS_120:A webhook must not be answered from a cache.
  #checkov:skip=CKV2_AWS_29:The stage lets 100 a second through whoever posts; a firewall costs five dollars a month and knows no more of Flip than we do.
  #checkov:skip=CKV2_AWS_51:It authenticates us to a backend over HTTP; ours is SQS, by a role.
  rest_api_id   = aws_api_gateway_rest_api.webhooks.id
  deployment_id = aws_api_gateway_deployment.webhooks.id
  stage_name    = "live"
}

resource "aws_api_gateway_method_settings" "webhooks" {
  #checkov:skip=CKV_AWS_225:A webhook must not be answered from a cache.
  rest_api_id = aws_api_gateway_rest_api.webhooks.id
  stage_name  = aws_api_gateway_stage.webhooks.stage_name
  method_path = "*/*"

  settings {
    throttling_rate_limit  = var.webhooks_per_second
    throttling_burst_limit = var.webhook_burst
  }
}
