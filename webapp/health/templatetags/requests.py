"""The id of the request for pages, so that whoever meets an error can quote it."""

from django import template

from webapp.request_ids import request_id

register = template.Library()
# A tag and no variable: the pages for errors are rendered without a context.
register.simple_tag(request_id)
