"""The part of `supabase/config.toml` that the stand-in follows, in the units its names say."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet.errors import NotConfigured

TEMPLATE_VARIABLES = frozenset({"Token", "TokenHash", "SiteURL", "RedirectTo", "Email"})
_VARIABLE = re.compile(r"\{\{\s*\.(\w+)\s*\}\}")
_BASE_URL = "env(FLEET_BASE_URL)"
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class MailTemplate:
    """Subject and HTML body with `{{ .Name }}` where a value goes, as Supabase's templates have them."""

    subject: str
    html: str


@dataclass(frozen=True)
class Config:
    """Read from config.toml: lifetimes in seconds, caps in mails."""

    site_url: str
    redirect_urls: tuple[str, ...]
    allow_signup: bool
    otp_length: int
    otp_expiry_s: int
    max_frequency_s: float
    emails_per_hour: int
    jwt_expiry_s: int
    reuse_interval_s: int
    max_rows: int
    magic_link: MailTemplate
    confirmation: MailTemplate


def read_config(file: Path, base_url: str) -> Config:
    """Read config.toml with `base_url` for `env(FLEET_BASE_URL)`, which the Supabase CLI finds in its environment.

    Raises `NotConfigured` with one sentence that names what cannot be used.
    """
    try:
        document = tomllib.loads(file.read_text())
        auth, email = document["auth"], document["auth"]["email"]
        return Config(
            site_url=str(auth["site_url"]).replace(_BASE_URL, base_url).rstrip("/"),
            redirect_urls=tuple(auth.get("additional_redirect_urls", ())),
            allow_signup=bool(auth.get("enable_signup", True) and email.get("enable_signup", True)),
            otp_length=int(email.get("otp_length", 6)),
            otp_expiry_s=int(email.get("otp_expiry", 3600)),
            max_frequency_s=_seconds(email.get("max_frequency", "1m")),
            emails_per_hour=int(auth.get("rate_limit", {}).get("email_sent", 30)),
            jwt_expiry_s=int(auth.get("jwt_expiry", 3600)),
            reuse_interval_s=int(auth.get("refresh_token_reuse_interval", 10)),
            max_rows=int(document.get("api", {}).get("max_rows", 1000)),
            magic_link=_template(file, email["template"]["magic_link"]),
            confirmation=_template(file, email["template"]["confirmation"]),
        )
    except FileNotFoundError as error:
        raise NotConfigured(f"{error.filename} is missing: restore it from the repository.") from error
    except KeyError as error:
        raise NotConfigured(f"{file} lacks {error}: restore it from the repository.") from error
    except (tomllib.TOMLDecodeError, ValueError, TypeError) as error:
        raise NotConfigured(f"{file} cannot be used: {error}") from error


def fill(template: str, values: Mapping[str, str]) -> str:
    """`template` with each `{{ .Name }}` replaced."""
    return _VARIABLE.sub(lambda found: values[found[1]], template)


def _template(file: Path, entry: Mapping[str, Any]) -> MailTemplate:
    # The Supabase CLI takes content_path from the project's folder, which holds `supabase/`.
    html = (file.resolve().parent.parent / entry["content_path"]).read_text()
    if unknown := set(_VARIABLE.findall(html)) - TEMPLATE_VARIABLES:
        raise ValueError(f"{entry['content_path']} uses {', '.join(sorted(unknown))}, which the stand-in has not.")
    return MailTemplate(str(entry["subject"]), html)


def _seconds(duration: str) -> float:
    """Seconds in a Go duration such as `1m0s`."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", duration)
    if "".join(number + unit for number, unit in parts) != duration:
        raise ValueError(f"max_frequency {duration!r} is no duration such as 1m0s.")
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)
