"""The administration of tokens: whose they are and when they were used; they can be revoked, and not made."""

from django.contrib import admin

from webapp.api.models import ApiToken


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    """Tokens in MySQL. What is kept of one opens nothing, and is not shown."""

    list_display = ("device", "user", "created", "last_used", "expires")
    list_select_related = ("user",)
    list_filter = ("created", "last_used")
    search_fields = ("user__username", "device")
    search_help_text = "Part of a username or of a device."
    ordering = ("-created",)
    fields = readonly_fields = ("user", "device", "created", "last_used", "expires")

    def has_add_permission(self, request):
        """Only who knows the password gets a token."""
        return False

    def has_change_permission(self, request, obj=None):
        """There is nothing to change."""
        return False
