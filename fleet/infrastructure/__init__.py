"""The infrastructure: its names, its documents, what it hands out, and what a plan would change."""

# Prefect's stored result of a run that waits for approval names these classes by this path: keep them importable.
from fleet.infrastructure.plan import Plan, PlanSummary, ResourceChange

__all__ = ["Plan", "PlanSummary", "ResourceChange"]
