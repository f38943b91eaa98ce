"""What the AWS emulator leaves out and our Terraform needs: answered here as AWS answers it.

Without these a second `terraform apply` sees changes that nobody made. Each is to be dropped once the emulator has it.
"""

import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from ministack.core.responses import json_response
from ministack.services import apigateway_v1, cloudwatch, iot

Response = tuple[int, dict[str, str], bytes]


def fill(state: Path) -> None:
    """Add the missing answers to the emulator in this process; what they keep is in `state`."""
    _report_whole_alarms()
    _answer_logging_options(state / "iot_logging_options.json")
    _leave_out_access_logs_that_are_not_set()


def _report_whole_alarms() -> None:
    """DescribeAlarms in the query protocol, which Terraform speaks, names eight of an alarm's attributes only."""
    describe: Any = cloudwatch._describe_alarms

    def whole(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Response:
        status, headers, body = describe(params, data, is_cbor, is_json)
        if is_cbor or is_json:
            return status, headers, body
        text = body.decode()
        for alarm in cloudwatch._alarms.values():
            arn = f"<AlarmArn>{alarm['AlarmArn']}</AlarmArn>"
            text = text.replace(arn, arn + _missing_members(alarm))
        return status, headers, text.encode()

    cloudwatch._describe_alarms = whole


def _missing_members(alarm: dict[str, Any]) -> str:
    names = ["AlarmDescription", "Statistic", "Period", "TreatMissingData", "Unit"]
    plain = "".join(f"<{name}>{escape(str(alarm[name]))}</{name}>" for name in names if alarm.get(name))
    lists = "".join(
        f"<{name}>{''.join(f'<member>{escape(arn)}</member>' for arn in alarm.get(name) or [])}</{name}>"
        for name in ("AlarmActions", "OKActions", "InsufficientDataActions")
    )
    dimensions = "".join(
        f"<member><Name>{escape(each['Name'])}</Name><Value>{escape(each['Value'])}</Value></member>"
        for each in alarm.get("Dimensions") or []
    )
    enabled = str(bool(alarm.get("ActionsEnabled", True))).lower()
    return f"{plain}{lists}<Dimensions>{dimensions}</Dimensions><ActionsEnabled>{enabled}</ActionsEnabled>"


def _answer_logging_options(file: Path) -> None:
    """IoT's SetV2LoggingOptions and GetV2LoggingOptions: kept and given back, no log is written."""
    route: Any = iot._route_request

    async def with_logging_options(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        if path != "/v2LoggingOptions":
            return await route(method, path, headers, body, query)
        if method == "GET":
            kept = json.loads(file.read_text()) if file.exists() else {"disableAllLogs": True}
            return json_response(kept)
        file.write_text(json.dumps({"disableAllLogs": False} | json.loads(body or b"{}")))
        return json_response({})

    iot._route_request = with_logging_options


def _leave_out_access_logs_that_are_not_set() -> None:
    """API Gateway's GetStage has no `accessLogSettings` where none were made; the emulator has empty ones."""
    get: Any = apigateway_v1._get_stage

    def as_aws_does(api_id: str, stage_name: str) -> Response:
        status, headers, body = get(api_id, stage_name)
        stage = json.loads(body)
        if not stage.get("accessLogSettings"):
            stage.pop("accessLogSettings", None)
        return status, headers, json.dumps(stage).encode()

    apigateway_v1._get_stage = as_aws_does
