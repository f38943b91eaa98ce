"""Users as GoTrue shows them, and the mail addresses that it takes."""

import re
from typing import Any

from local_cloud.supabase.auth.errors import validation_failed
from local_cloud.supabase.auth.queries import Row

_ADDRESS = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+")


def normalised_email(value: object) -> str:
    """The address in lower case. Raises `AuthRefused` (400) for what SES would not take as one."""
    email = value.strip().lower() if isinstance(value, str) else ""
    if len(email) > 254 or not _ADDRESS.fullmatch(email):
        raise validation_failed("Unable to validate email address: invalid format")
    return email


def public_user(user: Row) -> dict[str, Any]:
    """A row of auth.users as the API shows it; times in ISO 8601 with their offset."""
    return {
        "id": str(user["id"]),
        "aud": user["aud"],
        "role": user["role"],
        "email": user["email"],
        "phone": user["phone"] or "",
        "email_confirmed_at": user["email_confirmed_at"],
        "confirmed_at": user["confirmed_at"],
        "last_sign_in_at": user["last_sign_in_at"],
        "app_metadata": user["raw_app_meta_data"],
        "user_metadata": user["raw_user_meta_data"],
        "identities": [],
        "created_at": user["created_at"],
        "updated_at": user["updated_at"],
        "is_anonymous": user["is_anonymous"],
    }
