"""What serves the application on its machine: systemd units, nginx's site, a health check. Texts only."""

HOME = "/srv/hydra"
KEPT = 5  # releases on a machine

MANAGE = """\
#!/bin/sh
# manage.py of the release in service, as its user and with its settings: `sudo hydra-manage createaccount ada`
exec systemd-run --quiet --pipe --wait --collect --service-type=exec -p User=hydra -p Group=hydra \\
  -p EnvironmentFile=/etc/hydra/web.env -p WorkingDirectory="${HYDRA_RELEASE:-/srv/hydra/current}" \\
  $(for file in /etc/hydra/credentials/*; do printf -- '-p LoadCredential=%s:%s ' "${file##*/}" "$file"; done) \\
  "${HYDRA_RELEASE:-/srv/hydra/current}/.venv/bin/python" webapp/manage.py "$@"
"""

SOCKET = """\
[Unit]
Description=Where nginx finds the web application; requests wait here while it restarts

[Socket]
ListenStream=/run/hydra-web.sock
SocketUser=www-data
SocketMode=0660

[Install]
WantedBy=sockets.target
"""

UNIT = """\
[Unit]
Description=The web application
Requires=hydra-web.socket
After=network-online.target redis-server.service hydra-web.socket

[Service]
Type=notify
NotifyAccess=main
User=hydra
Group=hydra
WorkingDirectory=/srv/hydra/current
EnvironmentFile=/etc/hydra/web.env
{loads}
ExecStart=/srv/hydra/current/.venv/bin/gunicorn -c webapp/gunicorn.conf.py
ExecReload=/bin/kill -HUP $MAINPID
KillMode=mixed
TimeoutStopSec=30
Restart=always
RestartSec=1
PrivateTmp=true
ProtectSystem=strict
ProtectHome=true
NoNewPrivileges=true

[Install]
WantedBy=multi-user.target
"""

ROLLER = """\
[Unit]
Description=Brings the clicks on short links from Redis into MySQL, every minute
After=network-online.target redis-server.service

[Service]
Type=exec
User=hydra
Group=hydra
WorkingDirectory=/srv/hydra/current
Environment=PYTHONUNBUFFERED=1
EnvironmentFile=/etc/hydra/web.env
{loads}
ExecStart=/srv/hydra/current/.venv/bin/python webapp/manage.py rolluplinks --every 60
TimeoutStopSec=60
Restart=always
RestartSec=5
PrivateTmp=true
ProtectSystem=strict
ProtectHome=true
NoNewPrivileges=true

[Install]
WantedBy=multi-user.target
"""

TLS = """listen 443 ssl http2 default_server;
    ssl_certificate /etc/hydra/tls/cert.pem;
    ssl_certificate_key /etc/hydra/tls/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;"""

REDIRECT = """\
server {
    listen 80 default_server;
    location = /healthz { proxy_pass http://unix:/run/hydra-web.sock; proxy_set_header Host $host; }
    location / { return 301 https://$host$request_uri; }
}
"""

SITE = """\
server {
    {listen}
    server_tokens off;
    client_max_body_size 1m;

    location /static/ {
        alias /srv/hydra/static/;
        expires max;
        add_header Cache-Control "public, immutable";
        add_header X-Content-Type-Options nosniff;
    }
    location / {
        proxy_pass http://unix:/run/hydra-web.sock;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
    }
}
"""

HEALTHY_NOW = "curl -fsS -m 3 -o /dev/null --unix-socket /run/hydra-web.sock http://localhost/healthz"
HEALTHY = f"""
for i in $(seq 60); do {HEALTHY_NOW} 2>/dev/null && exit 0; sleep 0.25; done
echo the application does not answer; journalctl -u hydra-web -n 25 --no-pager -o cat; exit 1
"""

# Newest first; the one in service stays whatever its age.
SWEEP = f"""
cd {HOME}/releases; now=$(basename "$(readlink {HOME}/current)")
for old in $(ls -t | grep -vx "$now" | tail -n +{KEPT}); do rm -rf -- "./$old"; done
"""
