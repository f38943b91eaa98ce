"""How samples were stored and rolled up before: a row each. Kept to be measured beside how it is done now."""
