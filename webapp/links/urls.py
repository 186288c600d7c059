"""The pages of links, all below /links/."""

urlpatterns = []
