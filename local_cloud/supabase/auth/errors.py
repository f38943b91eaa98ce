"""GoTrue's errors: an HTTP status, a code that clients act on, and a sentence."""


class AuthRefused(Exception):
    """Answered as GoTrue does: `{"code": ..., "message": ...}` with `status`."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def validation_failed(message: str) -> AuthRefused:
    """The request lacks something or holds what cannot be used."""
    return AuthRefused(400, "validation_failed", message)


def code_expired() -> AuthRefused:
    """One answer for a wrong, spent, overdue or never issued code, and for an unknown address."""
    return AuthRefused(403, "otp_expired", "Token has expired or is invalid")


def too_many_mails(wait_s: int) -> AuthRefused:
    """The cap of mails to this address or of all mails is reached."""
    return AuthRefused(
        429,
        "over_email_send_rate_limit",
        f"For security purposes, you can only request this after {wait_s} seconds.",
    )


def user_not_found() -> AuthRefused:
    """An administrator named a user who does not exist."""
    return AuthRefused(404, "user_not_found", "User not found")
