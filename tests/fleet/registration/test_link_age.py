"""A link lives 15 minutes and opens in that time alone. What the database says of such links is tested beside it."""

from datetime import timedelta

import pytest

from fleet.registration.link import VerifiedLink
from fleet.registration.token import Claims, sign_token
from tests.case_table import cases
from tests.link_examples import APP, LINK_ID, NOW, battery

CASES = cases("link_age")


@pytest.mark.parametrize("name", CASES)
def test_a_link_opens_in_its_time_and_not_beyond(name: str) -> None:
    case, signer = CASES[name], battery()
    issued_at = int((NOW - timedelta(seconds=case["age_s"])).timestamp())
    claims = Claims(sub=signer.name, aud=APP, iat=issued_at, exp=issued_at + case["lifetime_s"], jti=LINK_ID)
    judged = signer.judged(sign_token(signer.key_pem, signer.certificate.certificate_id, claims))
    assert isinstance(judged, VerifiedLink) is case["opens"]


def test_what_opens_now_can_be_bound_now() -> None:
    assert [name for name, case in CASES.items() if case["opens"] and not case["binds"]] == []
