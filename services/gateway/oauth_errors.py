"""The errors of the token endpoint: those that RFC 6749 section 5.2 names, and no other."""

STATUS = {
    "invalid_request": 400,
    "invalid_client": 401,
    "invalid_grant": 400,
    "unauthorized_client": 400,
    "unsupported_grant_type": 400,
    "invalid_scope": 400,
}


class OAuthError(Exception):
    """A request for an access token is refused; the description names the parameter and the rule, and no value."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error, self.description = error, description
        self.status = STATUS[error]
