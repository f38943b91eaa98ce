"""The sign-in mail, made from the project's templates."""

import html
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from fleet.adapters.aws.ses import Mail
from local_cloud.supabase.auth.codes import IssuedCode
from local_cloud.supabase.config import Config, fill


def sign_in_mail(config: Config, email: str, issued: IssuedCode, redirect_to: str) -> Mail:
    """The mail with code and link. `redirect_to` is used only where config.toml allows that address."""
    values = {
        "Token": issued.code,
        "TokenHash": issued.token_hash,
        "SiteURL": config.site_url,
        "RedirectTo": redirect_to if _allowed(redirect_to, config.redirect_urls) else config.site_url,
        "Email": email,
    }
    template = config.confirmation if issued.new_account else config.magic_link
    body = fill(template.html, {name: html.escape(value) for name, value in values.items()})
    return Mail(email, fill(template.subject, values), body, _as_text(body))


def _allowed(url: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(url, pattern.replace("**", "*")) for pattern in patterns)


def _as_text(body: str) -> str:
    visible = re.sub(r"<(head|style)\b.*?</\1>|<!--.*?-->", "", body, flags=re.DOTALL)
    linked = re.sub(r'<a\b[^>]*\bhref="([^"]*)"[^>]*>(.*?)</a>', r"\2: \1", visible, flags=re.DOTALL)
    lines = (line.strip() for line in html.unescape(re.sub(r"<[^>]+>", "", linked)).splitlines())
    return "\n".join(line for line in lines if line) + "\n"
