"""`fleet env-example`: every setting, as the text of `.env.example` or as a list."""

from cli.output import Output
from fleet.settings import Settings, env_example, variable_name


def show(out: Output) -> None:
    """Print them."""
    fields = Settings.model_fields.items()
    rows = [{"name": variable_name(field), "description": info.description} for field, info in fields]
    if out.as_json:
        out.rows(rows, empty="")
    else:
        print(env_example())
