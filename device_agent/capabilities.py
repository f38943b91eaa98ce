"""What a battery can be told: a command as control of it, or the reason why it cannot do that.

Powers are watts, shares are percent of the capacity.
"""

from device_agent.batteries.contract import SETTINGS, Capabilities, Control
from fleet.commands.limits import MODES, Rating, refused_setpoint, refused_shares, refused_time, takes_setpoint
from fleet.commands.message import SET, DeviceCommand
from fleet.telemetry.sample import Mode


def control_for(command: DeviceCommand) -> Control:
    """What `command` tells the battery. The command is one that `refusal` found nothing against."""
    return Control(
        mode=MODES[command.mode or ""],
        setpoint_w=command.setpoint_w if takes_setpoint(command.mode) else None,
        backup_reserve_pct=command.backup_reserve_pct,
        maximum_charge_pct=command.maximum_charge_pct,
        grid_import_allowed=command.grid_import_allowed,
    )


def refusal(command: DeviceCommand, capabilities: Capabilities | None) -> str:
    """Why a battery of such `capabilities` cannot do `command`, as a sentence; empty when it can.

    Of a battery that has not said yet what it can do (None) only what no battery can do is refused.
    """
    if command.action != SET:
        return f"The action {command.action[:40]!r} is unknown to this battery's software: update it."
    if why := refused_time(command.starts_at, command.ends_at):
        return why
    if command.mode not in MODES:
        return f"The mode {(command.mode or '')[:40]!r} is unknown to this battery: it has {', '.join(MODES)}."
    rating = Rating(capabilities.charge_power_limit_w, capabilities.discharge_power_limit_w) if capabilities else None
    return (
        refused_shares(command.backup_reserve_pct, command.maximum_charge_pct)
        or refused_setpoint(command.mode, command.setpoint_w, rating)
        or (unfit(control_for(command), capabilities) if capabilities else "")
    )


def unfit(control: Control, capabilities: Capabilities) -> str:
    """Why a battery of such `capabilities` cannot be told `control`, as a sentence; empty when it can."""
    if control.mode not in capabilities.modes:
        has = ", ".join(mode.value for mode in Mode if mode in capabilities.modes)
        return f"This battery does not have the mode {control.mode.value}: it has {has or 'none'}."
    if takes_setpoint(control.mode.value) and control.setpoint_w is None and not capabilities.follows_load:
        return f"This battery cannot follow the load: {control.mode.value} needs a setpoint."
    if told := [name for name in SETTINGS if getattr(control, name) is not None and name not in capabilities.settings]:
        return f"This battery cannot be told its {told[0]}."
    rating = Rating(capabilities.charge_power_limit_w, capabilities.discharge_power_limit_w)
    return refused_setpoint(control.mode.value, control.setpoint_w, rating) or ""
