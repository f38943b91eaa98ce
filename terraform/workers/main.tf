data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name
  name      = "${var.project}-workers"

  # A worker a queue of the pool. `documents` say what its runs may do in AWS: the same ones that terraform/ gives the
  # jobs' roles. Provisioning and Terraform run on a machine with files of its own (pool `fleet`), not here.
  workers = {
    ingestion = { count = var.ingestion_workers, runs = 1, documents = ["ingestion_policy.json"] }
    default   = { count = 1, runs = var.general_runs_at_once, documents = ["webhooks_policy.json", "dispatch_policy.json", "storage_policy.json", "watching_policy.json"] }
  }

  document_values = {
    account                     = local.account
    partition                   = local.partition
    region                      = local.region
    telemetry_queue             = "${var.project}-telemetry"
    telemetry_dead_letter_queue = "${var.project}-telemetry-dead-letters"
    rule_error_queue            = "${var.project}-rule-errors"
    webhook_queue               = "${var.project}-webhooks"
    webhook_dead_letter_queue   = "${var.project}-webhooks-dead-letters"
    archive_bucket              = "${var.project}-${local.account}-${local.region}-ar"
  }

  settings = merge(var.settings, {
    FLEET_PROJECT           = var.project
    FLEET_INGESTION_WORKERS = tostring(var.ingestion_workers)
    AWS_REGION              = local.region
    PREFECT_API_URL         = var.prefect_api_url
  })

  # Where a program writes that may write nowhere else.
  scratch = { HOME = "/scratch", PREFECT_HOME = "/scratch/prefect", TMPDIR = "/scratch" }
}

resource "aws_ecs_cluster" "workers" {
  name = local.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_cloudwatch_log_group" "workers" {
  #checkov:skip=CKV_AWS_158:CloudWatch encrypts it by its own key; the logs hold no secrets.
  #checkov:skip=CKV_AWS_338:A month is enough to look for a fault, and a variable says how long.
  name              = "/ecs/${local.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_security_group" "workers" {
  name        = local.name
  description = "Workers of ${var.project}: nobody connects to them"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "workers" {
  for_each = { for port in var.outbound_ports : tostring(port) => port }

  security_group_id = aws_security_group.workers.id
  description       = "To AWS, the database and the Prefect server"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_ecs_task_definition" "worker" {
  for_each = local.workers

  family                   = "${local.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 1024
  memory                   = 2048
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.worker[each.key].arn

  volume {
    name = "scratch"
  }

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }

  container_definitions = jsonencode([{
    name      = "worker"
    image     = var.image
    essential = true
    command = [
      "python", "-m", "flows.work", "--pool", "fleet-ecs", "--type", "process",
      "--work-queue", each.key, "--limit", tostring(each.value.runs), "--with-healthcheck",
    ]
    environment = [for name, value in merge(local.settings, local.scratch) : { name = name, value = value }]
    secrets     = [for name, arn in var.secret_arns : { name = name, valueFrom = arn }]
    # Nothing is written but into the volume, which the image hands to its user (VOLUME in deploy/Containerfile).
    readonlyRootFilesystem = true
    mountPoints            = [{ sourceVolume = "scratch", containerPath = "/scratch", readOnly = false }]
    # Time for what is under way; what a run that is cut off had received comes again.
    stopTimeout = 90
    # The program's own processes reap their children.
    linuxParameters = { initProcessEnabled = true }
    healthCheck = {
      command     = ["CMD", "python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health', timeout=3)"]
      interval    = 30
      timeout     = 5
      retries     = 3
      startPeriod = 60
    }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.workers.name
        awslogs-region        = local.region
        awslogs-stream-prefix = each.key
      }
    }
  }])
}

resource "aws_ecs_service" "worker" {
  for_each = local.workers

  name            = each.key
  cluster         = aws_ecs_cluster.workers.id
  task_definition = aws_ecs_task_definition.worker[each.key].arn
  desired_count   = each.value.count
  launch_type     = "FARGATE"

  # Workers compete for runs, so a new one may start before an old one ends, and must, where there is only one.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.workers.id]
    assign_public_ip = false
  }

  depends_on = [aws_iam_role_policy.execution, aws_iam_role_policy.worker]
}
