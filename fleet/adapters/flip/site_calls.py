"""What a site's own token opens: the home, its devices, programs, enrollments and events."""

from pydantic import SecretStr

from fleet.adapters.flip.pages import Page, every_page
from fleet.adapters.flip.session import Session, one, segment
from fleet.flip import (
    Accepted,
    Device,
    Enrollment,
    EnrollmentRequest,
    Event,
    EventChanges,
    Program,
    Rejected,
    Site,
    SiteChanges,
    read_each,
)


class SiteCalls:
    """All raise `NotFound`, `Refused`, `InvalidFields`, `Conflict` or `Unavailable`; lists report odd items singly."""

    _session: Session

    def site_token(self, site_id: str) -> SecretStr:
        """A token for the site, cached until shortly before its end (one hour)."""
        return self._session.site_token(site_id)

    def site(self, site_id: str) -> Site:
        """The home as Flip knows it."""
        return one(Site, self._session.site(site_id, "read the site", "GET", ""), "site")

    def update_site(self, site_id: str, changes: SiteChanges) -> Site:
        """Change what is set in `changes`; the site as it is then."""
        answer = self._session.site(site_id, "change the site", "PATCH", "", changes)
        return one(Site, answer, "site") if answer else self.site(site_id)

    def devices(self, site_id: str) -> list[Accepted[Device] | Rejected]:
        """The site's devices."""
        return read_each(Device, self._session.site(site_id, "list the devices", "GET", "/devices"), "devices")

    def device(self, site_id: str, device_id: str) -> Device:
        """One device of the site."""
        path = f"/device/{segment(device_id)}"
        return one(Device, self._session.site(site_id, "read the device", "GET", path), "device")

    def remove_device(self, site_id: str, device_id: str) -> None:
        """Take the device from the site. Raises `NotFound` for one that Flip does not have there, or no longer."""
        self._session.site(site_id, "remove the device", "DELETE", f"/device/{segment(device_id)}")

    def programs(self, site_id: str, zip_code: str, device_type: str = "BATTERY") -> list[Accepted[Program] | Rejected]:
        """The programs offered at a zip code for a type of device."""

        def read_page(page: Page) -> list[Accepted[Program] | Rejected]:
            params = {"zip_code": zip_code, "device_type": device_type, **page}
            answer = self._session.site(site_id, "list the programs", "GET", "/programs", params=params)
            return read_each(Program, answer, "programs")

        return every_page(read_page)

    def program(self, site_id: str, program_id: str) -> Program:
        """One program with its terms and form."""
        path = f"/program/{segment(program_id)}"
        return one(Program, self._session.site(site_id, "read the program", "GET", path), "program")

    def enrollments(self, site_id: str) -> list[Accepted[Enrollment] | Rejected]:
        """The site's enrollments, past ones among them."""
        answer = self._session.site(site_id, "list the enrollments", "GET", "/enrollments")
        return read_each(Enrollment, answer, "enrollments")

    def enroll(self, site_id: str, request: EnrollmentRequest) -> Enrollment:
        """Apply for a program; never repeated blindly: after `Unavailable` look at `enrollments` first.

        Raises `Conflict` when the site takes part already or was rejected, `InvalidFields` for terms or form answers.
        """
        answer = self._session.site(site_id, "enroll", "POST", "/enrollments", request, repeatable=False)
        return one(Enrollment, answer, "enrollment")

    def enrollment(self, site_id: str, enrollment_id: str) -> Enrollment:
        """One enrollment with its status and reason."""
        path = f"/enrollment/{segment(enrollment_id)}"
        return one(Enrollment, self._session.site(site_id, "read the enrollment", "GET", path), "enrollment")

    def unenroll(self, site_id: str, enrollment_id: str) -> None:
        """Leave the program."""
        self._session.site(site_id, "unenroll", "DELETE", f"/enrollment/{segment(enrollment_id)}")

    def events(self, site_id: str) -> list[Accepted[Event] | Rejected]:
        """The site's events: past, running and to come."""
        return read_each(Event, self._session.site(site_id, "list the events", "GET", "/events"), "events")

    def event(self, site_id: str, event_id: str) -> Event:
        """One event of the site."""
        path = f"/event/{segment(event_id)}"
        return one(Event, self._session.site(site_id, "read the event", "GET", path), "event")

    def update_event(self, site_id: str, event_id: str, changes: EventChanges) -> Event:
        """Take part or not, and keep how much in reserve; the event as it is then."""
        path = f"/event/{segment(event_id)}"
        answer = self._session.site(site_id, "change the event", "PATCH", path, changes)
        return one(Event, answer, "event") if answer else self.event(site_id, event_id)

    def opt_out(self, site_id: str, event_id: str) -> Event:
        """Take no part in the event. Raises `Conflict` when it is over or canceled."""
        return self.update_event(site_id, event_id, EventChanges(is_participating=False))
