"""What can be asked of Flip for a home. Every one of these looks before it asks again, so none is done twice."""

from typing import Any

from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres import Connection
from fleet.adapters.postgres.forwarding import ForwardingLedger
from fleet.adapters.postgres.homes import Homes
from fleet.errors import Conflict, NotFound
from fleet.flip import AlreadyExists, CommissionRequest, Device, Enrollment, Program, Rejected, Site, accepted
from fleet.flip.commissioning import device_of, site_changes
from fleet.flip.requests import ENDED, Done, FlipRequest, application, enrollment_to_leave, only_for, running_in


def commission(connection: Connection, flip: FlipClient, request: FlipRequest) -> Done:
    """Make the battery and its home known to Flip; what it knows already is checked to be ours, and brought up to date.

    Raises `Conflict` when Flip has the battery under another home.
    """
    homes = Homes(connection)
    battery = homes.battery(request.thing_name, request.owner_id)
    site, device = homes.site(battery.site_id, request.owner_id), device_of(battery)
    if isinstance(flip.commission(CommissionRequest(site=site, devices=(device,))), AlreadyExists):
        _adopt(flip, site, device)
    programs = _programs(flip, site)
    with connection.transaction():
        homes.commissioned(battery.thing_name, battery.site_id)
        homes.put_programs(site.id, programs)
        ForwardingLedger(connection).revive(battery.thing_name)
    return Done("Flip knows your battery now.", {"programs": [program.id for program in programs]})


def list_programs(connection: Connection, flip: FlipClient, request: FlipRequest) -> Done:
    """What the home may join."""
    homes = Homes(connection)
    site = homes.site(request.site_id, request.owner_id)
    try:
        programs = _programs(flip, site)
    except NotFound as error:
        raise NotFound("Flip does not know this home yet: it hears of it with the first battery there.") from error
    homes.put_programs(site.id, programs)
    return Done(_count(programs), {"programs": [program.id for program in programs]})


def enroll(connection: Connection, flip: FlipClient, request: FlipRequest) -> Done:
    """Apply for a program, unless the home takes part in it already."""
    homes = Homes(connection)
    site = homes.site(request.site_id, request.owner_id)
    wish = application(request, homes.commissioned_at(site.id))
    enrollment = running_in(accepted(flip.enrollments(site.id)), wish.program_id)
    if enrollment is None:
        try:
            enrollment = flip.enroll(site.id, wish)
        except Conflict:
            # It may have been this very application, whose answer was lost.
            enrollment = running_in(accepted(flip.enrollments(site.id)), wish.program_id)
            if enrollment is None:
                raise
    homes.put_enrollment(site.id, enrollment)
    return Done(f"The application is made; its status is {enrollment.status}.", _shown(enrollment))


def unenroll(connection: Connection, flip: FlipClient, request: FlipRequest) -> Done:
    """Leave a program; one that was left already is left."""
    homes = Homes(connection)
    site = homes.site(request.site_id, request.owner_id)
    enrollment_id = enrollment_to_leave(request)
    before = flip.enrollment(site.id, enrollment_id)
    if before.status not in ENDED:
        flip.unenroll(site.id, enrollment_id)
    after = flip.enrollment(site.id, enrollment_id)
    homes.put_enrollment(site.id, after)
    if after.status in ENDED:
        return Done("The home has left the program.", _shown(after))
    return Done(f"Flip was asked to end it; its status is {after.status}.", _shown(after))


def update_site(connection: Connection, flip: FlipClient, request: FlipRequest) -> Done:
    """Tell Flip what the home is like now. A home that Flip does not know is told with its first battery."""
    homes = Homes(connection)
    site = homes.site(request.site_id, request.owner_id)
    try:
        flip.update_site(site.id, site_changes(site))
    except NotFound:
        return Done("The home is saved; Flip hears of it with its first battery.", {"is_known": False})
    homes.put_programs(site.id, _programs(flip, site))
    return Done("Flip knows the change.", {"is_known": True})


def remove_device(connection: Connection, flip: FlipClient, request: FlipRequest) -> Done:
    """Have Flip let go of a battery that left this home; one that Flip does not have there is gone already.

    Raises `Conflict` for one that takes part in a program together with others: these are not to leave it with it.
    """
    site_id, thing_name = request.site_id or "", request.thing_name or ""
    try:
        for enrollment in only_for(accepted(flip.enrollments(site_id)), thing_name):
            flip.unenroll(site_id, enrollment.id)
            Homes(connection).put_enrollment(site_id, flip.enrollment(site_id, enrollment.id))
        flip.remove_device(site_id, thing_name)
    except NotFound:
        return Done("Flip does not have the battery at this home.", {"was_there": False})
    return Done("Flip let the battery go.", {"was_there": True})


def _adopt(flip: FlipClient, site: Site, device: Device) -> None:
    """Go on from what Flip has: our own home, to which the battery belongs or is added."""
    if not _has(flip, site, device):
        made = flip.create_device(site.id, device)
        # That it exists may be said to our own call, whose first answer was lost: so look once more.
        if isinstance(made, AlreadyExists) and not _has(flip, site, device):
            raise _elsewhere(device)
    flip.update_site(site.id, site_changes(site))


def _has(flip: FlipClient, site: Site, device: Device) -> bool:
    try:
        outcomes = flip.devices(site.id)
    except NotFound as error:
        raise _elsewhere(device) from error
    # One that cannot be read whole is there all the same.
    return device.id in {outcome.id if isinstance(outcome, Rejected) else outcome.value.id for outcome in outcomes}


def _elsewhere(device: Device) -> Conflict:
    return Conflict(
        f"Flip still has the battery {device.id} under another home: ask the operator of this website to have it "
        "removed there, then try again."
    )


def _programs(flip: FlipClient, site: Site) -> list[Program]:
    return accepted(flip.programs(site.id, site.zip_code or ""))


def _count(programs: list[Program]) -> str:
    found = f"{len(programs)} program{'s' if len(programs) != 1 else ''}"
    return f"Flip offers {found} at this address." if programs else "Flip offers no program at this address yet."


def _shown(enrollment: Enrollment) -> dict[str, Any]:
    return {
        "enrollment_id": enrollment.id,
        "program_id": enrollment.program_id,
        "status": enrollment.status,
        "status_reason": enrollment.status_reason,
    }
