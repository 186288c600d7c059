"""What our middleware has in common: it stands in threads and in event loops alike, and takes no thread of its own."""

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpResponse
from django.template import TemplateDoesNotExist
from django.template.loader import render_to_string


class Middleware:
    """Override `before`, which may answer instead of all that comes behind, and `after`, which has the last word."""

    sync_capable = async_capable = True

    def __init__(self, get_response):
        self.get_response = get_response
        self.in_loop = iscoroutinefunction(get_response)
        if self.in_loop:
            markcoroutinefunction(self)

    def __call__(self, request):
        if self.in_loop:
            return self.acall(request)
        response = self.before(request)
        return self.after(request, self.get_response(request) if response is None else response)

    async def acall(self, request):
        """As a call, within an event loop."""
        response = await self.abefore(request)
        return self.after(request, await self.get_response(request) if response is None else response)

    def before(self, request):
        """A response, or None to go on."""

    async def abefore(self, request):
        """As before; to be overridden where that would wait for something."""
        return self.before(request)

    def after(self, request, response):
        """The response that goes out."""
        return response


def page(template: str, words: str, **context) -> HttpResponse:
    """The page of a template; in another project, which has no such template, the words alone."""
    try:
        return HttpResponse(render_to_string(template, context))
    except TemplateDoesNotExist:
        return HttpResponse(words, content_type="text/plain; charset=utf-8")
