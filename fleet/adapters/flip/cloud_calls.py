"""What the client token opens: commissioning, sites, telemetry and commands."""

from collections.abc import Sequence

import msgspec

from fleet.adapters.flip.pages import Page, every_page
from fleet.adapters.flip.session import Session, one, segment
from fleet.errors import Conflict, FleetError, Unavailable
from fleet.flip import (
    MAX_POINTS,
    Accepted,
    AlreadyExists,
    Commissioned,
    CommissionRequest,
    Device,
    FlipCommand,
    InvalidFields,
    Rejected,
    Site,
    TelemetryPoint,
    Unanswered,
    read_commissioned,
    read_each,
    read_item_results,
)

_LONGEST_REASON = 500


class _Acknowledgement(msgspec.Struct, frozen=True, omit_defaults=True):
    device_status: str
    device_status_reason: str | None = None


class _Named(msgspec.Struct, frozen=True):
    id: str


class CloudCalls:
    """All raise `Refused`, `InvalidFields` or `Unavailable`; lists report odd items singly."""

    _session: Session

    def commission(self, request: CommissionRequest) -> Commissioned | AlreadyExists:
        """Make a site and its devices known. Safe to repeat: what Flip has already is `AlreadyExists`, made once."""
        try:
            answer = self._session.cloud("commission the site", "POST", "/v1/commission", request)
        except Conflict as error:
            return AlreadyExists(str(error))
        if not isinstance(answer, dict) or "programs" not in answer:
            raise Unavailable("Flip did not say what it commissioned: try again later, when it is found if it was.")
        return read_commissioned(answer)

    def create_device(self, site_id: str, device: Device) -> Device | AlreadyExists:
        """Add a device to a site that Flip knows. Safe to repeat, as `commission` is."""
        path = f"/v1/site/{segment(site_id)}/devices"
        try:
            answer = self._session.cloud(
                "add the device", "POST", path, msgspec.structs.replace(device, site_id=site_id)
            )
        except Conflict as error:
            return AlreadyExists(str(error))
        return one(Device, answer, "device")

    def sites(self) -> list[Accepted[Site] | Rejected]:
        """Every site that this client commissioned, asked for page by page."""

        def read_page(page: Page) -> list[Accepted[Site] | Rejected]:
            return read_each(Site, self._session.cloud("list the sites", "GET", "/v1/sites", params=page), "sites")

        return every_page(read_page)

    def send_telemetry(
        self, points: Sequence[TelemetryPoint]
    ) -> list[Accepted[TelemetryPoint] | Rejected | Unanswered]:
        """Send intervals, at most 1,000 a request; one outcome a point, in the order given.

        Raises only when nothing was sent yet. A failure after the first request leaves the rest `Unanswered`.
        """
        outcomes: list[Accepted[TelemetryPoint] | Rejected | Unanswered] = []
        for start in range(0, len(points), MAX_POINTS):
            batch = tuple(points[start : start + MAX_POINTS])
            try:
                answer = self._session.cloud("send telemetry", "POST", "/v1/telemetry/BATTERY", {"telemetry": batch})
            except FleetError as error:
                if not outcomes:
                    raise
                return outcomes + [Unanswered(str(error))] * (len(points) - len(outcomes))
            outcomes += read_item_results(answer, batch)
        return outcomes

    def commands(self) -> list[Accepted[FlipCommand] | Rejected]:
        """The commands that are not over: the fallback when webhooks do not come, to be asked once a minute."""
        return read_each(FlipCommand, self._session.cloud("list the commands", "GET", "/v1/commands"), "commands")

    def acknowledge_command(self, command_id: str, device_status: str, reason: str = "") -> None:
        """Tell Flip what became of a command: OK, FAILED_OFFLINE or FAILED_FAULT, within 15 minutes of its coming.

        May be sent again with another status when the device answers late. Raises `NotFound` for an unknown command.
        """
        try:
            self._acknowledge(command_id, _Acknowledgement(device_status, reason[:_LONGEST_REASON] or None))
        except InvalidFields:
            # A Flip of before it told failures apart knows the one word.
            if not device_status.startswith("FAILED_"):
                raise
            self._acknowledge(command_id, _Acknowledgement("FAILED"))

    def _acknowledge(self, command_id: str, answer: _Acknowledgement) -> None:
        path = f"/v1/command/{segment(command_id)}"
        one(_Named, self._session.cloud("acknowledge the command", "PATCH", path, answer), "command")
