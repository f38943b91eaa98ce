"""What people and attackers put into forms. Each goes through every form of the app."""

HOSTILE_INPUTS = {
    "script": "<script>document.title='owned'</script>",
    "image": "<img src=x onerror=\"document.title='owned'\">",
    "markdown-link": "[click](javascript:document.title='owned') ![x](http://evil.example/x.png)",
    "sql": "'; DROP TABLE fleet.sites; --",
    "sql-like": "%' OR '1'='1",
    "right-to-left": "\u202emitigated\u202c שלום عليكم",
    "emoji": "👩‍👩‍👧‍👦🏡🔋" * 5,
    "combining": "Z̸̢̛a̶l̴g̷o̵" * 5,
    "nul-and-controls": "a\x00b\x07c\x1b[31m",
    "newlines": "line one\nline two\r\nline three",
    "long": "x" * 10_000,
    "template": "{{7*7}} ${7*7} %(x)s {0}",
    "path": "../../../../etc/passwd",
    "spaces": " \t\u00a0\u3000 ",
    "streamlit": ":red[big] :material/warning: $\\frac{1}{0}$",
    "number-like": "1e309",
}
