"""How far `apply-infrastructure` is, in a few lines: out of the artifacts that its run keeps for the Prefect UI."""

from collections.abc import Iterable
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import Artifact

from cli.flow_runs import Say

_STEP_PCT = 25


class ApplyProgress:
    """Says what the plan would change, then each quarter that is applied; called as often as one likes."""

    def __init__(self, flow_run_id: UUID, say: Say) -> None:
        self._filter = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run_id]))
        self._say, self._told = say, set[tuple[UUID, int]]()

    def __call__(self, client: SyncPrefectClient) -> None:
        self.show(client.read_artifacts(artifact_filter=self._filter))

    def show(self, artifacts: Iterable[Artifact]) -> None:
        """Say of these what was not said yet."""
        for artifact in artifacts:
            quarters = _quarters(artifact)
            if quarters is not None and (artifact.id, quarters) not in self._told:
                self._told.add((artifact.id, quarters))
                self._say(f"  {_sentence(artifact)}")


def _quarters(artifact: Artifact) -> int | None:
    """None while there is nothing to say of it: a plan has one line, progress one a quarter."""
    if artifact.key == "infrastructure-plan":
        return 0
    done_pct = artifact.data if artifact.type == "progress" and isinstance(artifact.data, int | float) else 0
    return int(done_pct // _STEP_PCT) or None


def _sentence(artifact: Artifact) -> str:
    """Of progress the count alone, "15 of 61": the resource that was the last is no news."""
    description = artifact.description or ""
    return description if artifact.type != "progress" else f"{description.partition(':')[0]} applied"
