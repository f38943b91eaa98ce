"""What a battery can be told: a command as an instruction to it, or the reason why it cannot do that.

Powers are watts, shares are percent of the capacity.
"""

from typing import TypeVar

from device_agent.simulation.battery import BatterySpecification, Instruction
from fleet.commands.limits import MODES, Rating, refused_setpoint, refused_shares, refused_time, takes_setpoint
from fleet.commands.message import SET, DeviceCommand

Setting = TypeVar("Setting")


def instruction_for(command: DeviceCommand, owner: Instruction) -> Instruction:
    """What `command` tells the battery; where it says nothing, what its `owner` set holds.

    The command is one that `refusal` found nothing against.
    """
    return Instruction(
        mode=MODES[command.mode or ""],
        setpoint_w=command.setpoint_w if takes_setpoint(command.mode) else None,
        backup_reserve_pct=_given(command.backup_reserve_pct, owner.backup_reserve_pct),
        maximum_charge_pct=_given(command.maximum_charge_pct, owner.maximum_charge_pct),
        grid_import_allowed=_given(command.grid_import_allowed, owner.grid_import_allowed),
    )


def refusal(command: DeviceCommand, specification: BatterySpecification) -> str:
    """Why a battery of `specification` cannot do `command`, as a sentence; empty when it can."""
    if command.action != SET:
        return f"The action {command.action[:40]!r} is unknown to this battery's software: update it."
    if why := refused_time(command.starts_at, command.ends_at):
        return why
    if command.mode not in MODES:
        return f"The mode {(command.mode or '')[:40]!r} is unknown to this battery: it has {', '.join(MODES)}."
    rating = Rating(specification.charge_power_limit_w, specification.discharge_power_limit_w)
    return (
        refused_shares(command.backup_reserve_pct, command.maximum_charge_pct)
        or refused_setpoint(command.mode, command.setpoint_w, rating)
        or ""
    )


def _given(told: Setting | None, owners: Setting) -> Setting:
    return owners if told is None else told
