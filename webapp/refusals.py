"""What a browser shows of an address that is asked in a way it does not answer, by GET where it takes a form, say."""

from django.template.loader import render_to_string

from webapp.middleware import Middleware


class RefusalMiddleware(Middleware):
    """Gives 405 a page, since Django's has no body; its status and the header Allow stay. The API has its own words."""

    def after(self, request, response):
        if response.status_code == 405 and not response.streaming and not response.content:
            response.content = render_to_string("405.html", {"allowed": response.headers.get("Allow", "")})
            response.headers["Content-Type"] = "text/html; charset=utf-8"
            response.headers["Content-Length"] = str(len(response.content))
        return response
