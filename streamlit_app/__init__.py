"""The homeowner's and operator's web app. It holds no database password, no service key and no token of Flip."""
