"""A browser's way into the application, and proof of where what it left behind is kept."""

import html.parser
import http.cookiejar
import urllib.error
import urllib.parse
import urllib.request


class Fields(html.parser.HTMLParser):
    """The hidden fields of a page's forms."""

    def __init__(self):
        super().__init__()
        self.found = {}

    def handle_starttag(self, tag, attributes):
        it = dict(attributes)
        if tag == "input" and it.get("type") == "hidden":
            self.found[it["name"]] = it.get("value", "")


class Browser:
    """One visitor with a cookie jar. `look` says where to look when the application does not do its part."""

    def __init__(self, url, look="look with `fab local deploy.logs`"):
        self.url, self.jar, self.look = url.rstrip("/"), http.cookiejar.CookieJar(), look
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    def get(self, path):
        with self.opener.open(self.url + path, timeout=20) as answer:
            return answer.read().decode()

    def submit(self, path, **fields):
        """Fill in the form at that path as a person would: open it, keep its hidden fields, send it."""
        page = Fields()
        page.feed(self.get(path))
        data = urllib.parse.urlencode({**page.found, **fields}).encode()
        request = urllib.request.Request(self.url + path, data, {"Referer": self.url + path})
        with self.opener.open(request, timeout=20) as answer:
            return answer.url, answer.read().decode()

    def sign_in(self, name, password):
        """Sign in; raises SystemExit with one sentence if the page does not let us in."""
        try:
            _, page = self.submit("/sign-in/", username=name, password=password)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"The login page answered {error.code}: {self.look}") from None
        if not any(cookie.name.endswith("sessionid") for cookie in self.jar) or "Sign out" not in page:
            raise SystemExit(f"The login page did not let the account in: {self.look}")
        return page

    @property
    def session(self):
        return next(cookie.value for cookie in self.jar if cookie.name.endswith("sessionid"))


class Visit:
    """A visit to a stage's application, and what it left in the three stores."""

    def __init__(self, stage):
        from fabfile.deploy import Release

        self.stage, self.world, self.release = stage, stage.world, stage.of(Release)[0]
        self.url = self.release.url or f"http://{self.world.host(self.release.machine).address}"
        self.browser = Browser(self.url)

    def sign_in(self, name, password):
        self.name = name
        self.browser.sign_in(name, password)

    def show(self):
        """Print where the session, the user's row and the account are, each asked of its own store."""
        from fabfile import domains, redis, schema
        from webapp.sessions.store import redis_key

        ask = f"export {redis.PASSWORD}; "
        session = redis_key(self.browser.session)
        alive = self.ask(f"{ask} redis-cli ttl '{session}'").strip()
        folder = self.ask(f"{ask} redis-cli config get dir | tail -n 1").strip()
        # The file is written within a second of the change; `waitaof` is newer than Debian's Redis.
        wait = f"for i in $(seq 40); do grep -qr '{session}' {folder}/appendonlydir && break; sleep 0.1; done"
        logged = self.ask(f"{wait}; grep -lr '{session}' {folder} | head -n 1").strip()
        mounted = self.ask(f"findmnt -no TARGET,SOURCE,SIZE -T {folder}").strip()
        row = self.ask(
            f"mariadb --defaults-extra-file={schema.CLIENT} hydra -t",
            "select id, username, first_seen from users_user order by id;",
        )
        print(f"  Redis     session {session} ends in {alive} s; written in {logged}")
        print(f"            that folder is on {mounted}")
        print(f"  SimpleDB  account {self.name} in domain {domains.accounts(self.stage).get(self.name).home}")
        print("  MySQL     " + row.strip().replace("\n", "\n            "))
        if not session or not logged or self.name not in row:
            raise SystemExit("The sign-in left no trace in one of the stores: look with `fab local deploy.logs`")

    def ask(self, command, text=None):
        result = self.world.run(self.release.machine, command, input=text)
        if result.code:
            raise SystemExit(f"{self.release.machine}: {result.err.strip()[-300:]}")
        return result.out
