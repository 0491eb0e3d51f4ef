"""Named domain errors. `warmline.web.errors` maps each to an HTTP answer, once."""


class DomainError(Exception):
    """Something that a person asked for and cannot have.

    `code` is stable and for machines, `message` is an English sentence for the person, into which `values` are filled
    after it was translated, `status` the fitting HTTP status.
    """

    code = "invalid"
    status = 400

    def __init__(self, message: str, *, code: str | None = None, **values: object) -> None:
        super().__init__(message)
        self.message = message
        self.values = values
        self.code = code or self.code


class NotFound(DomainError):
    """Unknown, or another organization's: the two look the same."""

    code, status = "not_found", 404

    def __init__(self, message: str = "There is nothing here by that name.") -> None:
        super().__init__(message)


class Conflict(DomainError):
    """Too late, or somebody else won."""

    code, status = "conflict", 409


class Invalid(DomainError):
    """What was sent does not make sense."""

    code, status = "invalid", 422


class NotAllowed(DomainError):
    """Known, and not permitted."""

    code, status = "not_allowed", 403
