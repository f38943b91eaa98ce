"""What the demo shows of Terraform at work."""

from uuid import UUID, uuid4

from prefect.client.schemas.objects import Artifact

from cli.apply_progress import ApplyProgress

PLAN, PROGRESS = uuid4(), uuid4()


def artifact(identity: UUID, **fields: object) -> Artifact:
    return Artifact.model_validate({"id": identity, **fields})


def progress(done_pct: float, done: int) -> Artifact:
    text = f"{done} of 61: aws_sqs_queue.telemetry: Creation complete" if done else "Terraform applies"
    return artifact(PROGRESS, type="progress", key="infrastructure-progress", data=done_pct, description=text)


def test_the_plan_is_one_line_and_what_is_applied_one_line_a_quarter() -> None:
    said: list[str] = []
    shown = ApplyProgress(uuid4(), said.append)
    plan = artifact(PLAN, type="markdown", key="infrastructure-plan", description="61 to add, 0 to change")
    shown.show([])
    for done in range(62):
        shown.show([plan, progress(100 * done / 61, done)])
    assert said == [
        "  61 to add, 0 to change",
        "  16 of 61 applied",
        "  31 of 61 applied",
        "  46 of 61 applied",
        "  61 of 61 applied",
    ]
