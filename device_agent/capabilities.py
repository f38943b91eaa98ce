"""What a battery can be told: a command as an instruction to it, or the reason why it cannot do that.

Powers are watts, shares are percent of the capacity.
"""

from typing import TypeVar

from device_agent.simulation.battery import BatterySpecification, Instruction
from fleet.commands.message import SET, DeviceCommand
from fleet.telemetry.message import Mode

Setting = TypeVar("Setting")

_MODES = {mode.value: mode for mode in Mode}
_DIRECTED = (Mode.CHARGE, Mode.DISCHARGE)
"""The modes that a setpoint means something to; the others go without one."""


def instruction_for(command: DeviceCommand, owner: Instruction) -> Instruction:
    """What `command` tells the battery; where it says nothing, what its `owner` set holds.

    The command is one that `refusal` found nothing against.
    """
    mode = _MODES[command.mode or ""]
    return Instruction(
        mode=mode,
        setpoint_w=command.setpoint_w if mode in _DIRECTED else None,
        backup_reserve_pct=_given(command.backup_reserve_pct, owner.backup_reserve_pct),
        maximum_charge_pct=_given(command.maximum_charge_pct, owner.maximum_charge_pct),
        grid_import_allowed=_given(command.grid_import_allowed, owner.grid_import_allowed),
    )


def refusal(command: DeviceCommand, specification: BatterySpecification) -> str:
    """Why a battery of `specification` cannot do `command`, as a sentence; empty when it can."""
    if command.action != SET:
        return f"The action {command.action[:40]!r} is unknown to this battery's software: update it."
    if command.starts_at is None or (command.ends_at is not None and command.ends_at <= command.starts_at):
        return "The command has no time between its start and its end."
    if command.mode not in _MODES:
        return f"The mode {(command.mode or '')[:40]!r} is unknown to this battery: it has {', '.join(_MODES)}."
    return _share_refusal(command) or _setpoint_refusal(command, specification)


def _share_refusal(command: DeviceCommand) -> str:
    reserve_pct, maximum_pct = command.backup_reserve_pct, command.maximum_charge_pct
    for name, share_pct in (("backup reserve", reserve_pct), ("maximum charge", maximum_pct)):
        if share_pct is not None and not 0 <= share_pct <= 100:
            return f"The {name} of {share_pct:g} % is not within 0 and 100 %."
    if reserve_pct is not None and maximum_pct is not None and reserve_pct > maximum_pct:
        return f"The backup reserve of {reserve_pct:g} % is above the maximum charge of {maximum_pct:g} %."
    return ""


def _setpoint_refusal(command: DeviceCommand, specification: BatterySpecification) -> str:
    setpoint_w, mode = command.setpoint_w, _MODES[command.mode or ""]
    if setpoint_w is None or mode not in _DIRECTED:
        return ""
    charges = mode is Mode.CHARGE
    limit_w = specification.charge_power_limit_w if charges else specification.discharge_power_limit_w
    if 0 <= setpoint_w <= limit_w:
        return ""
    return f"The setpoint of {setpoint_w:g} W is not within 0 and the {limit_w:g} W that this battery can do."


def _given(told: Setting | None, owners: Setting) -> Setting:
    return owners if told is None else told
