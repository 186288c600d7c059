"""What serves the application on its machine: systemd units, a health check. Texts only."""

HOME = "/srv/hydra"
CREDENTIALS = "/etc/hydra/credentials"
KEPT = 5  # releases on a machine

# A Python program within the release that $release names, as the application's user and with its settings and secrets.
AS_IT = """\
systemd-run --quiet --pipe --wait --collect --service-type=exec -p User=hydra -p Group=hydra \\
  -p EnvironmentFile=/etc/hydra/web.env -p WorkingDirectory="$release" \\
  $(for file in /etc/hydra/credentials/*; do printf -- '-p LoadCredential=%s:%s ' "${file##*/}" "$file"; done) \\
  "$release/.venv/bin/python" """

MANAGE = f"""\
#!/bin/sh
# manage.py of the release in service, as its user and with its settings: `sudo hydra-manage createaccount ada`
release=${{HYDRA_RELEASE:-/srv/hydra/current}}
exec {AS_IT}webapp/manage.py "$@"
"""

# Loads the whole application as gunicorn will. A release that cannot start, or not with these settings, is found out
# while the one before serves on.
TRIED = """release={folder}; test -e $release/.tried && \
! find /etc/hydra/web.env /etc/hydra/credentials -newer $release/.tried | grep -q ."""
TRY = f"""release={{folder}}; {AS_IT}-m gunicorn -c webapp/gunicorn.conf.py --check-config || {{ code=$?
echo "release $(basename $release) cannot start; the one in service was left as it is"; exit $code; }}
touch $release/.tried"""

SOCKET = """\
[Unit]
Description=Where nginx finds the web application; requests wait here while it restarts

[Socket]
ListenStream=/run/hydra-web.sock
SocketUser=www-data
SocketMode=0660
# However often the application ends, requests go on waiting here for its next start.
TriggerLimitIntervalSec=0

[Install]
WantedBy=sockets.target
"""

UNIT = """\
[Unit]
Description=The web application
Requires=hydra-web.socket
After=network-online.target redis-server.service hydra-web.socket
# systemd would give up for good after five starts within ten seconds.
StartLimitIntervalSec=0

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
# Workers that eat memory are killed before Redis or sshd would be, alone, and gunicorn starts others.
MemoryMax=50%
OOMPolicy=continue
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
StartLimitIntervalSec=0

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

HEALTHY_NOW = "curl -fsS -m 3 -o /dev/null --unix-socket /run/hydra-web.sock http://localhost/healthz"
HEALTHY = f"""
for i in $(seq 60); do {HEALTHY_NOW} 2>/dev/null && exit 0; sleep 0.25; done
echo the application does not answer; journalctl -u hydra-web -n 25 --no-pager -o cat; exit 1
"""

# What stages.py names no longer.
STRANGE = f"find {CREDENTIALS} -type f {{but}}"
FORGOTTEN = f'test -z "$({STRANGE})"'
FORGET = f"{STRANGE} -delete"

# Newest first; the one in service stays whatever its age.
SWEEP = f"""
cd {HOME}/releases; now=$(basename "$(readlink {HOME}/current)")
for old in $(ls -t | grep -vx "$now" | tail -n +{KEPT}); do rm -rf -- "./$old"; done
"""
