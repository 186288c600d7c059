"""The administration of links: look for one that is misused, and switch it off."""

from django.contrib import admin, messages

from webapp.links.models import Link
from webapp.sessions.connection import SessionsUnavailable


@admin.register(Link)
class LinkAdmin(admin.ModelAdmin):
    """All links. Nothing of one is edited here; it is stopped by an action, which its owner cannot undo, or deleted.

    All links of a user are stopped at once where users are: he is locked out, here or everywhere.
    """

    list_display = ("slug", "owner", "target", "created", "ends", "disabled", "stopped")
    list_select_related = ("owner",)
    list_filter = ("stopped", "disabled")
    search_fields = ("=slug", "target", "=owner__username")
    search_help_text = "A slug, part of a target, or a username."
    ordering = ("-pk",)
    actions = ("stop", "let_lead")

    def has_add_permission(self, request):
        """Who wants a link makes his own."""
        return False

    def get_readonly_fields(self, request, obj=None):
        """All of them."""
        return [field.name for field in self.model._meta.fields]

    @admin.action(description="Stop, whatever their owners want", permissions=["change"])
    def stop(self, request, queryset):
        """From the next click on they lead nowhere."""
        self._set_stopped(request, queryset, True, "stopped")

    @admin.action(description="Let them lead on again", permissions=["change"])
    def let_lead(self, request, queryset):
        """Undo it."""
        self._set_stopped(request, queryset, False, "leading on again")

    def _set_stopped(self, request, queryset, stopped, done):
        changed = 0
        for link in queryset:
            try:
                link.change(stopped=stopped)
            except SessionsUnavailable:
                self.message_user(request, f"Redis is away: {link} and those after it are as before.", messages.ERROR)
                break
            self.log_change(request, link, done)
            changed += 1
        if changed:
            self.message_user(request, f"{changed} link{'s' if changed > 1 else ''} {done}.")
