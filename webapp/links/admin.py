"""The administration of links: look for one that is misused, and switch it off."""

from django.contrib import admin, messages

from webapp.links.models import Link
from webapp.sessions.connection import SessionsUnavailable


@admin.register(Link)
class LinkAdmin(admin.ModelAdmin):
    """All links. Nothing of one is edited here; it is switched off and on again by an action, or deleted."""

    list_display = ("slug", "owner", "target", "created", "ends", "disabled")
    list_select_related = ("owner",)
    list_filter = ("disabled",)
    search_fields = ("=slug", "target", "=owner__username")
    search_help_text = "A slug, part of a target, or a username."
    ordering = ("-pk",)
    actions = ("switch_off", "switch_on")

    def has_add_permission(self, request):
        """Who wants a link makes his own."""
        return False

    def get_readonly_fields(self, request, obj=None):
        """All of them."""
        return [field.name for field in self.model._meta.fields]

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request, queryset):
        """From the next click on they lead nowhere."""
        self._set_disabled(request, queryset, True, "switched off")

    @admin.action(description="Switch on again", permissions=["change"])
    def switch_on(self, request, queryset):
        """Undo it."""
        self._set_disabled(request, queryset, False, "switched on again")

    def _set_disabled(self, request, queryset, disabled, done):
        changed = 0
        for link in queryset:
            try:
                link.change(ends=link.ends, disabled=disabled)
            except SessionsUnavailable:
                self.message_user(request, f"Redis is away: {link} and those after it are as before.", messages.ERROR)
                break
            self.log_change(request, link, done)
            changed += 1
        if changed:
            self.message_user(request, f"{changed} link{'s' if changed > 1 else ''} {done}.")
