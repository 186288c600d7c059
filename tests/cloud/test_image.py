"""Images: made whole or not at all, made once, and fed from this machine's own package sources."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fabfile.localcloud import packages, real
from fabfile.localcloud.drivers import DriverError
from fabfile.localcloud.image import Images
from fabfile.localcloud.packages import Sources
from fabfile.localcloud.place import Place

from .conftest import until

DEB822 = """Types: deb
URIs: https://mirror.example.com/debian/
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: https://mirror.example.com/debian-security
Suites: bookworm-security

Types: deb-src
URIs: https://sources.example.com/debian
Suites: bookworm

Types: deb
Enabled: no
URIs: https://off.example.com/debian
Suites: bookworm
"""


@pytest.fixture
def etc(tmp_path):
    for folder in ("etc/apt/sources.list.d", "etc/apt/apt.conf.d", "certificates", "home/.config/pip"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def sources(folder, environ=None):
    return packages.of_this_machine(folder / "etc", environ or {}, folder / "certificates", folder / "home")


def test_a_machine_without_apt_takes_debians_own_mirrors(etc):
    assert sources(etc) == Sources()


def test_mirrors_are_taken_from_either_format_of_apt(etc):
    expected = ("https://mirror.example.com/debian", "https://mirror.example.com/debian-security")
    file = etc / "etc/apt/sources.list.d/debian.sources"
    file.write_text(DEB822)
    found = sources(etc)
    assert (found.main, found.security) == expected
    file.unlink()
    (etc / "etc/apt/sources.list").write_text(
        "# deb http://old.example.com/debian bookworm main\n"
        "deb [arch=amd64 trusted=yes] https://mirror.example.com/debian bookworm main contrib\n"
        "deb https://mirror.example.com/debian-security bookworm-security main\n"
    )
    found = sources(etc)
    assert (found.main, found.security) == expected


def test_mirrors_of_other_systems_and_vendors_are_left_alone(etc):
    (etc / "etc/apt/sources.list").write_text(
        "deb http://archive.ubuntu.com/ubuntu jammy main\ndeb https://deb.nodesource.com/node_20.x nodistro main\n"
    )
    assert sources(etc) == Sources()


def test_the_image_gets_three_sources_of_its_own_release():
    lines = Sources(main="http://m/debian", security="http://m/debian-security").lines("bookworm").splitlines()
    assert [line.split("] ")[1] for line in lines] == [
        "http://m/debian bookworm main",
        "http://m/debian bookworm-updates main",
        "http://m/debian-security bookworm-security main",
    ]


def test_proxies_come_from_apt_or_else_the_environment_but_never_from_loopback(etc):
    assert sources(etc, {"http_proxy": "http://127.0.0.1:3128"}).proxies == ()
    assert sources(etc, {"https_proxy": "http://proxy:3128"}).proxies == (("https", "http://proxy:3128"),)
    (etc / "etc/apt/apt.conf.d/proxy").write_text('Acquire::http::Proxy "http://apt-proxy:8080";\n')
    assert sources(etc, {"http_proxy": "http://proxy:3128"}).proxies == (("http", "http://apt-proxy:8080"),)


def test_pips_index_is_carried_over_but_no_folder_of_this_machine(etc):
    (etc / "etc/pip.conf").write_text("[global]\nindex-url = https://index.example.com/simple\n")
    (etc / "home/.config/pip/pip.conf").write_text("[global]\nfind-links = /opt/wheels\n")
    found = sources(etc, {"PIP_EXTRA_INDEX_URL": "file:///opt/simple https://more.example.com/simple"})
    assert found.pip == (
        ("index-url", "https://index.example.com/simple"),
        ("extra-index-url", "https://more.example.com/simple"),
    )


def test_this_machines_own_authorities_go_along(etc):
    (etc / "certificates/company.crt").write_text("PEM")
    assert sources(etc).authorities == (("company.crt", "PEM"),)


def test_another_recipe_is_another_image(tmp_path):
    place = Place("images", tmp_path, tmp_path)
    one, same, other = (Images(place, sources=Sources(main=main)) for main in ("http://a", "http://a", "http://b"))
    folders = [images.folder("debian-12") for images in (one, same, other)]
    assert (folders[0] == folders[1], folders[0] == folders[2]) == (True, False)
    assert one.folder("mariadb") != other.folder("mariadb")


def test_an_unknown_image_is_refused(tmp_path):
    with pytest.raises(DriverError, match="there is no image windows; there are debian-12, mariadb"):
        Images(Place("images", tmp_path, tmp_path)).folders("windows")


@pytest.fixture
def cold(place, tmp_path_factory):
    """The place with a cache of its own, in which there is nothing yet."""
    cache = tmp_path_factory.mktemp("cache")
    yield Place(place.name, place.home, cache, port=0)
    real.sweep(place)


@pytest.mark.hosts
def test_a_build_that_fails_leaves_no_image_and_says_why(cold):
    images = Images(cold, sources=Sources(main="http://127.0.0.1:9/debian", security="http://127.0.0.1:9/security"))
    with pytest.raises(DriverError, match="making an image with mmdebstrap failed: .*127.0.0.1:9"):
        images.folders("debian-12")
    assert not images.ready("debian-12")


BUILD = """
import sys
from pathlib import Path
from fabfile.localcloud.image import Images
from fabfile.localcloud.place import Place
Images(Place(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))).folders("debian-12")
"""


@pytest.mark.hosts
def test_a_build_that_is_killed_leaves_no_image_and_a_sweep_ends_it(cold):
    words = [sys.executable, "-c", BUILD, cold.name, str(cold.home), str(cold.cache)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(words, env=environment) as builder:
        until(lambda: list(cold.cache.glob("images/debian-12/*.building/var/lib/dpkg/status")))
        builder.send_signal(signal.SIGKILL)
    assert any(trace.startswith("process") for trace in real.traces(cold))
    real.sweep(cold)
    assert (real.traces(cold), Images(cold).ready("debian-12")) == ([], False)


REPOSITORY = """
set -e
mkdir -p /srv/repository /tmp/made/DEBIAN && cd /srv/repository
cat >/tmp/made/DEBIAN/control <<END
Package: shared-by-hosts
Version: 1.0
Architecture: all
Maintainer: Nobody <nobody@example.com>
Description: says nothing
END
dpkg-deb -b --root-owner-group -Znone /tmp/made shared-by-hosts_1.0_all.deb >/dev/null
{ cat /tmp/made/DEBIAN/control
  echo Filename: ./shared-by-hosts_1.0_all.deb
  echo Size: $(stat -c %s shared-by-hosts_1.0_all.deb)
  echo SHA256: $(sha256sum shared-by-hosts_1.0_all.deb | cut -d' ' -f1); } >Packages
echo 'deb [trusted=yes] copy:/srv/repository ./' >/etc/apt/sources.list
apt-get -qq update
"""


@pytest.fixture
def published(place):
    file = place.cache / "apt/shared-by-hosts_1.0_all.deb"
    file.unlink(missing_ok=True)
    yield file
    file.unlink(missing_ok=True)


@pytest.mark.hosts
def test_two_hosts_may_install_at_once_and_a_third_need_not_fetch(ground, published):
    hosts = ["i-first", "i-second", "i-third"]
    for last, id in enumerate(hosts, start=10):
        ground.machines.create(ground.spec(id, last))
    for id in hosts[:2]:
        ground.machines.start(id)
        ground.said(id, REPOSITORY)
    install = ["apt-get", "-qq", "-y", "install", "shared-by-hosts"]
    done = {}
    both = [
        threading.Thread(target=lambda id=id: done.update({id: ground.machines.run(id, install)})) for id in hosts[:2]
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert {id: run.returncode for id, run in done.items()} == {"i-first": 0, "i-second": 0}, done
    assert published.exists()
    ground.machines.start("i-third")
    ground.said("i-third", REPOSITORY + "rm /srv/repository/*.deb")
    assert ground.machines.run("i-third", install).returncode == 0


@pytest.mark.hosts
def test_the_hosts_trust_whom_this_machine_trusts(ground):
    ground.boot("i-trusting", 20)
    bundle = ground.said("i-trusting", "cat /etc/ssl/certs/ca-certificates.crt")
    for _, pem in packages.of_this_machine().authorities:
        assert pem.strip() in bundle
    assert "cache-dir = /var/cache/pip" in ground.said("i-trusting", "cat /etc/pip.conf")


@pytest.mark.hosts
def test_a_databases_host_is_up_without_an_sshd_and_its_server_waits_to_be_started(ground):
    spec = ground.spec("db-main", 30)
    ground.machines.create(type(spec)(**{**vars(spec), "image": "mariadb"}))
    ground.machines.start("db-main")
    assert ground.said("db-main", "systemctl is-enabled mariadb ssh", code=1) == "disabled\ndisabled"
    ground.said("db-main", "systemctl start mariadb")
    assert ground.said("db-main", "mariadb -Ne 'select 1'") == "1"


@pytest.mark.hosts
def test_what_one_user_leaves_in_pips_cache_another_may_add_to(ground):
    ground.boot("i-cached", 40)
    ground.said("i-cached", "umask 077; mkdir -p /var/cache/pip/test-of-two/one")
    ground.said("i-cached", "runuser -u admin -- mkdir /var/cache/pip/test-of-two/one/two")
    ground.said("i-cached", "rm -r /var/cache/pip/test-of-two")
