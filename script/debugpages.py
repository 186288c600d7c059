"""Lets Django's pages about errors look and work as they are made, for `script/server`."""

# They are one file each, with their styles and scripts in them.
POLICY = "default-src 'self' 'unsafe-inline' data:; frame-ancestors 'none'"


class DebugPages:
    """A policy of its own for what was not found or failed; for all else HeadersMiddleware, before it, has one."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        if response.status_code in (400, 403, 404, 500):
            response.headers.setdefault("Content-Security-Policy", POLICY)
        return response
