"""What can be wrong with endpoints and deliveries."""

from mcp_platform import errors


class EndpointNotFound(errors.NotFound):
    """There is no such endpoint."""

    code = "ENDPOINT_NOT_FOUND"


class DeliveryNotFound(errors.NotFound):
    """There is no such delivery."""

    code = "DELIVERY_NOT_FOUND"


class EndpointRefused(errors.Invalid):
    """The endpoint cannot be taken; `errors` lists every fault."""

    code = "VALIDATION_ERROR"


class EndpointIsManaged(errors.Conflict):
    """This endpoint follows the configuration of the platform and is not changed here."""

    code = "ENDPOINT_IS_MANAGED"


class EndpointHasNoSecret(errors.Conflict):
    """Only webhooks are signed: this endpoint has no secret."""

    code = "ENDPOINT_HAS_NO_SECRET"


class DeliveryIsOpen(errors.Conflict):
    """This delivery is on its way already."""

    code = "DELIVERY_IS_OPEN"
