"""nginx's part of the application: what it passes on, what it answers by itself, what it writes down. Texts only."""

import base64
import hashlib
from pathlib import Path

from .engine.operations import Directory, File

ANSWERS = "/srv/hydra/answers"
SITE = "/etc/nginx/sites-enabled/hydra"
# Not restarted: a reload turns nobody away, and a site with a mistake leaves the one before in service.
LAST_READ = "/etc/hydra/nginx.read"
HAS_READ = f"cmp -s {SITE} {LAST_READ}"
READ = f"nginx -q -t && systemctl reload nginx && cp {SITE} {LAST_READ}"

# Heading and words for each status that nginx answers without the application; a program gets the words alone.
WORDS = {
    400: ("This request makes no sense", "What was sent could not be understood. Begin again at the first page."),
    404: ("There is nothing here", "The address may be mistyped, or what it showed is gone."),
    405: ("Not in this way", "This address can only be looked at."),
    408: ("That took too long", "The request did not arrive as a whole. Please send it again."),
    413: ("That is too large", "What was sent is larger than 1 MB, which is the most that is taken here."),
    414: ("That address is too long", "Shorten what is typed into it, or begin again at the first page."),
    431: ("Too much was sent along", "Deleting this site’s cookies helps."),
    500: ("Something went wrong", "The fault is ours. Please try again in a moment."),
    502: ("Please try again in a moment", "The application does not run just now. Nothing is lost."),
    503: ("Please try again in a moment", "There is too much to do just now. Nothing is lost."),
    504: ("Please try again in a moment", "The application took too long to answer. Whether it did is not known."),
}
RETRY_AFTER = 5  # seconds, as the application's own 503

# What webapp/urls.py calls a token opens an account. nginx's errors show whole addresses, and cannot be told otherwise.
SECRET_PATHS = ("/password/new/", "/account/email/new/")
SECRET = f"(?:{'|'.join(SECRET_PATHS)})"

GIVEN = """\
# Written by hydra; changes here are overwritten.
map $request_uri $hydra_path {
    "~^(?<hydra_kept>{secret})[^?]" "$hydra_kept[hidden]/";
    "~^(?<hydra_plain>[^?]*)" $hydra_plain;
}
# The same rule as the application's, and so the same id.
map $http_x_request_id $hydra_request {
    "~^[A-Za-z0-9][A-Za-z0-9._-]{7,63}$" $http_x_request_id;
    default $request_id;
}
map $request_uri $hydra_answer {
    ~^/api/v1/ problem.json;
    default page.html;
}
map $status $hydra_heading {
{headings}
}
map $status $hydra_words {
{words}
}
map $status $hydra_retry {
    ~^50[234] {retry};
}
log_format hydra escape=json '{"time":"$time_iso8601","logger":"nginx","client":"$remote_addr",'
    '"method":"$request_method","path":"$hydra_path","status":$status,"bytes":$body_bytes_sent,'
    '"seconds":$request_time,"application":"$upstream_status","user_agent":"$http_user_agent",'
    '"request_id":"$hydra_request"}';
"""

SERVER = """\
server {
    {listen}
    server_tokens off;
    client_max_body_size 1m;
    access_log /var/log/nginx/access.log hydra;

    {errors}
    error_page 403 =404 /_answers/$hydra_answer;
    error_page 494 =431 /_answers/$hydra_answer;
    location /_answers/ {
        internal;
        alias {answers}/;
        charset utf-8;
        types { text/html html; application/problem+json json; }
        charset_types text/html;
        ssi on;
        ssi_types application/problem+json;
        add_header Retry-After $hydra_retry always;
        add_header X-Request-ID $hydra_request always;
        add_header Cache-Control no-store always;
        add_header X-Content-Type-Options nosniff always;
        add_header Content-Security-Policy "{policy}" always;
    }
{locations}
}
"""

PROXY = """\
    proxy_http_version 1.1;
    proxy_connect_timeout 5s;
    proxy_read_timeout 35s;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Request-ID $hydra_request;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    # Other names for the scheme, which gunicorn would believe.
    proxy_set_header X-Forwarded-Protocol "";
    proxy_set_header X-Forwarded-Ssl "";
"""

APPLICATION = """
    location /static/ {
        alias /srv/hydra/static/;
        expires max;
        add_header Cache-Control "public, immutable";
        add_header X-Content-Type-Options nosniff;
    }
    location / { proxy_pass http://unix:/run/hydra-web.sock; }
    location ~ ^{secret} {
        error_log /dev/null;
        proxy_pass http://unix:/run/hydra-web.sock;
    }"""

# A load balancer asks by http.
REDIRECT = """
    location = /healthz { proxy_pass http://unix:/run/hydra-web.sock; }
    location / { return 301 https://$host$request_uri; }"""

HTTP = "listen 80 default_server;"
TLS = """listen 443 ssl http2 default_server;
    ssl_certificate /etc/hydra/tls/cert.pem;
    ssl_certificate_key /etc/hydra/tls/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    error_page 497 =301 https://$host$request_uri;"""

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title><!--# echo var="hydra_heading" --> · Hydra</title>
<style>{style}</style>
</head>
<body>
<header class="top"><div><a class="brand" href="/">{mark}Hydra</a></div></header>
<main id="main">
<div class="trouble">
<p class="code"><!--# echo var="status" --></p>
<h1><!--# echo var="hydra_heading" --></h1>
<p class="lead"><!--# echo var="hydra_words" --></p>
<p class="actions"><a class="button" href="/">To the first page</a></p>
<p class="help">Should you ask somebody about it: this was request <code><!--# echo var="hydra_request" --></code>.</p>
</div>
</main>
</body>
</html>
"""
PROBLEM = """\
{"type": "about:blank", "status": <!--# echo var="status" -->, "title": "<!--# echo var="hydra_heading" -->",\
 "detail": "<!--# echo var="hydra_words" -->"}
"""


def site(source, tls=False):
    """The whole site; with `tls` http leads to https. `source` is the checkout whose style the pages have."""
    given = put(
        GIVEN,
        secret=SECRET,
        headings=lines(f'    {status} "{heading}";' for status, (heading, _) in WORDS.items()),
        words=lines(f'    {status} "{words}";' for status, (_, words) in WORDS.items()),
        retry=str(RETRY_AFTER),
    )
    if not tls:
        return given + server(source, HTTP, APPLICATION)
    return given + server(source, HTTP, REDIRECT) + server(source, TLS, APPLICATION)


def server(source, listen, locations):
    """One server of the site."""
    return put(
        SERVER,
        listen=listen,
        errors=lines(f"error_page {status} /_answers/$hydra_answer;" for status in WORDS).replace("\n", "\n    "),
        answers=ANSWERS,
        policy=policy(style(source)),
        locations=PROXY + put(locations, secret=SECRET),
    )


def answers(source):
    """The files of which nginx's own answers are made, for people and for programs."""
    mark = Path(source, "webapp/templates/mark.html").read_text().strip()
    return (
        Directory(ANSWERS),
        File(f"{ANSWERS}/page.html", put(PAGE, style=style(source), mark=mark)),
        File(f"{ANSWERS}/problem.json", PROBLEM),
    )


def style(source):
    """The application's stylesheet: it is within the page, which asks nothing of anybody."""
    return Path(source, "webapp/static/style.css").read_text()


def policy(text):
    """A Content-Security-Policy that lets this style in and nothing else."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'"


def put(text, **values):
    """The text with each {name} replaced; all other braces stay."""
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def lines(each):
    return "\n".join(each)
