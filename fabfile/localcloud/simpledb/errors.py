"""Every way in which SimpleDB refuses a request: code, HTTP status and text, as clients of AWS know them."""

_SORT = (
    "Invalid sort expression. The sort attribute must be present in at least one of the predicates, "
    "and the predicate cannot contain the is null operator."
)
_BUSY = (
    "Service Amazon SimpleDB is busy handling other requests, likely due to too many simultaneous requests. "
    "Consider reducing the frequency of your requests, and try again."
)
_TIMEOUT = "A timeout occurred when attempting to query domain {} with query expression {}. BoxUsage [{:.10f}]."
_INCOMPLETE = "If Expected.Exists = True or unspecified, then Expected.Value has to be specified"
_MULTI_VALUED = "Attribute ({}) is multi-valued. Conditional check can only be performed on a single-valued attribute"

CODES = {
    "AttributeDoesNotExist": (404, "Attribute ({}) does not exist"),
    "ConditionalCheckFailed": (409, "Conditional check failed. Attribute ({}) value is ({}) but was expected ({})"),
    "DeleteConflictException": (409, "Cannot delete domain due to a PENDING or IN_PROGRESS export."),
    "DuplicateItemName": (400, "Item {} was specified more than once."),
    "ExistsAndExpectedValue": (400, "Expected.Exists=false and Expected.Value cannot be specified together"),
    "FeatureDeprecated": (400, "The replace flag must be specified per attribute, not per item."),
    "IncompleteExpectedValues": (400, _INCOMPLETE),
    "InternalError": (500, "Request could not be executed due to an internal service error."),
    "InvalidAction": (400, "The action {} is not valid for this web service."),
    "InvalidHttpRequest": (400, "The HTTP request is invalid. Reason: {}."),
    "InvalidNextToken": (400, "The specified next token is not valid."),
    "InvalidNumberPredicates": (400, "Too many predicates in the query expression."),
    "InvalidNumberValueTests": (400, "Too many value tests per predicate in the query expression."),
    "InvalidParameterValue": (400, "Value ({}) for parameter {} is invalid. {}"),
    "InvalidQueryExpression": (400, "The specified query expression syntax is not valid."),
    "InvalidSortExpression": (400, _SORT),
    "InvalidURI": (400, "The URI {} is not valid."),
    "MissingAction": (400, "No action was supplied with this request."),
    "MissingParameter": (400, "The request must contain the parameter {}."),
    "MultiValuedAttribute": (409, _MULTI_VALUED),
    "MultipleExistsConditions": (400, "Only one Exists condition can be specified"),
    "MultipleExpectedNames": (400, "Only one Expected.Name can be specified"),
    "MultipleExpectedValues": (400, "Only one Expected.Value can be specified"),
    "NoSuchDomain": (400, "The specified domain does not exist."),
    "NoSuchVersion": (400, "The requested version ({}) of service AmazonSimpleDB does not exist."),
    "NumberDomainAttributesExceeded": (409, "Too many attributes in this domain."),
    "NumberDomainBytesExceeded": (409, "Too many bytes in this domain."),
    "NumberDomainsExceeded": (409, "The domain limit was exceeded."),
    "NumberItemAttributesExceeded": (409, "Too many attributes in this item."),
    "NumberSubmittedAttributesExceeded": (409, "Too many attributes in a single call."),
    "NumberSubmittedItemsExceeded": (409, "Too many items in a single call. Up to 25 items per call allowed."),
    "OptInRequired": (403, "SimpleDB has no endpoint in {}. Its regions are {}."),
    "QueryTimeout": (408, _TIMEOUT),
    "ServiceUnavailable": (503, _BUSY),
    "TooManyRequestedAttributes": (400, "Too many attributes requested."),
    "URITooLong": (400, "The URI exceeded the maximum limit of {}."),
    "UnsupportedHttpVerb": (400, "The requested HTTP verb is not supported: {}."),
}


class Refused(Exception):
    """The request is answered with an error.

    `code` is one of CODES; `values` fill the gaps of its text. A code with several texts takes the other ones
    through `text`.
    """

    def __init__(self, code, *values, text=None):
        self.code = code
        self.status, usual = CODES[code]
        self.message = usual.format(*values) if text is None else text
        super().__init__(f"{code}: {self.message}")


class Asked(Refused):
    """The error that a fault rule asks for."""

    def __init__(self, code, message, status):
        self.code, self.message, self.status = code, message, status
        Exception.__init__(self, f"{code}: {message}")


def invalid(value, parameter, reason=""):
    """The Refused for a parameter whose value has the wrong form. Without a reason the text ends in a blank."""
    return Refused("InvalidParameterValue", value, parameter, reason)
