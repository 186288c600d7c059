"""Host operations as data: what may be said, what is asked, how the answer is read, and what would be changed."""

import io
import subprocess
import tarfile
from hashlib import sha256

import pytest

from fabfile.engine.apply import change, packages_with
from fabfile.engine.compare import compare, difference, holds
from fabfile.engine.facts import RESTARTS, answer, conversation, question
from fabfile.engine.operations import (
    Absent,
    Command,
    Directory,
    File,
    Filesystem,
    Link,
    Mounted,
    Outcome,
    Package,
    Service,
    Template,
    User,
    as_bytes,
    secrets_of,
)
from fabfile.engine.secret import Secret
from fabfile.engine.ssh import counted

VOLUME = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0a1b2c3d"
CONTENT = "worker_processes 2;\n"
ALL = (
    Package("nginx"),
    User("hydra", home="/srv/hydra", groups=("www-data",)),
    Directory("/srv/hydra", owner="hydra", group="hydra", mode=0o750),
    File("/etc/nginx/nginx.conf", CONTENT),
    Link("/srv/hydra/current", "/srv/hydra/releases/7"),
    Absent("/etc/nginx/sites-enabled/default"),
    Filesystem(VOLUME, blank=True),
    Mounted("/volume", VOLUME),
    Service("nginx", restart_for=("/etc/nginx/nginx.conf",)),
    Command("collect the static files", "manage.py collectstatic", unless="test -e /srv/hydra/static"),
)
AS_WANTED = f"""\
== hydra paths
directory|750|hydra|hydra|/srv/hydra
regular file|644|root|root|/etc/nginx/nginx.conf
symbolic link|777|root|root|/srv/hydra/current -> /srv/hydra/releases/7
== hydra sums
{sha256(CONTENT.encode()).hexdigest()}  /etc/nginx/nginx.conf
== hydra users
hydra:x:998:997::/srv/hydra:/usr/sbin/nologin
== hydra groups
www-data:x:33:someone,hydra
== hydra packages
nginx installed
== hydra units
LoadState=loaded
ActiveState=active
UnitFileState=enabled
NeedDaemonReload=no
== hydra restarts
== hydra device
{VOLUME}
NUMBER=259:1
DEVNAME=/dev/nvme1n1
UUID=6d1fc05a-80e5-4222-a71e-cb62621e6acf
TYPE=ext4
USAGE=filesystem
== hydra mounts
29 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw
88 29 259:1 / /volume rw,relatime shared:9 - ext4 /dev/nvme1n1 rw
== hydra fstab
# <file system> <mount point> <type> <options>
UUID=6d1fc05a-80e5-4222-a71e-cb62621e6acf /volume ext4 defaults,nofail 0 2

== hydra check
9
== hydra end
"""


def states(operations, text):
    return [state for state, _ in compare(operations, answer(text))]


def one(operation, text):
    """How the one operation compares, when asked for together with all others."""
    return compare((operation,), answer(text))[0]


# What may be said


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: File("etc/motd", ""),
        lambda: Directory("/srv/two\nlines"),
        lambda: Package("nginx; reboot"),
        lambda: Package("-o"),
        lambda: User("hydra user"),
        lambda: Service("nginx service"),
        lambda: Filesystem("/dev/sdf", type="zfs"),
        lambda: Mounted("/my volume", "/dev/sdf"),
        lambda: Absent("/srv", tree=True),
        lambda: Absent("/srv/../etc", tree=True),
        lambda: Template("password=\n", password=Secret("x")),
    ],
)
def test_what_cannot_be_meant_is_refused_when_it_is_written(wrong):
    with pytest.raises(ValueError):
        wrong()


def test_operations_say_what_a_colleague_would_say():
    said = [str(operation) for operation in ALL]

    assert said[0] == "package nginx"
    assert said[3] == "file /etc/nginx/nginx.conf"
    assert said[4] == "link /srv/hydra/current to /srv/hydra/releases/7"
    assert said[8] == "service nginx"
    assert said[9] == "collect the static files"


def test_a_template_puts_in_its_own_names_and_leaves_other_braces_alone():
    template = Template('{"user": "{user}", "password": "{password}"}', user="app", password=Secret("{user}"))

    assert template.reveal() == '{"user": "app", "password": "{user}"}'


def test_no_secret_shows_in_an_operation_an_outcome_or_a_difference():
    secret = Secret("hunter2")
    file = File("/etc/redis.pass", Template("requirepass {word}\n", word=secret))
    command = Command("set the password", "cat >/dev/null", input=secret)

    shown = f"{file} {file!r} {command!r} {Outcome(file, 'needed')!r} {difference(file, b'requirepass old')}"

    assert "hunter2" not in shown
    assert "old" not in shown
    assert secrets_of(file) == secrets_of(command) == (secret,)
    assert as_bytes(file.content) == b"requirepass hunter2\n"


def test_a_service_names_its_unit_and_the_keys_it_restarts_for():
    service = Service("nginx", restart_for=(File("/etc/nginx/nginx.conf", ""), "certbot"))

    assert service.unit == "nginx.service"
    assert service.restart_for == ("/etc/nginx/nginx.conf", "certbot")
    assert Service("backup.timer").unit == "backup.timer"


# What is asked


def test_the_question_is_shell_and_asks_each_kind_once():
    text = question(ALL)

    subprocess.run(["sh", "-n"], input=conversation(ALL), text=True, check=True)
    assert text.count("stat --printf") == 1
    assert text.count("dpkg-query") == 1
    assert text.count("systemctl show") == 1


def test_nothing_is_asked_that_nobody_wants_to_know():
    assert question((Package("nginx"),)).count("== hydra") == 2


def test_no_secret_is_in_what_is_asked():
    file = File("/etc/redis.pass", Secret("hunter2"))
    command = Command("set it", "cat", unless="test -e /etc/redis.pass", input=Secret("hunter2"))

    assert "hunter2" not in conversation((file, command))


# How the answer compares


def test_a_machine_as_wanted_needs_nothing():
    assert states(ALL, AS_WANTED) == ["ok"] * len(ALL)


def test_a_machine_with_nothing_needs_all_but_what_must_be_absent():
    nothing = "== hydra paths\n== hydra end\n"

    assert states(ALL, nothing) == ["needed"] * 5 + ["ok"] + ["needed"] * 4


@pytest.mark.parametrize(
    ("operation", "before", "after", "state", "why"),
    [
        (ALL[0], "nginx installed", "nginx config-files", "needed", "not installed"),
        (ALL[1], "/usr/sbin/nologin", "/bin/bash", "needed", "shell /bin/bash, not /usr/sbin/nologin"),
        (ALL[1], "someone,hydra", "someone", "needed", "not in group www-data"),
        (ALL[2], "directory|750", "directory|755", "needed", "mode 755, not 750"),
        (ALL[2], "directory|750", "regular file|750", "refused", "a regular file is there, not a directory"),
        (ALL[3], "regular file|644|root", "regular file|600|bin", "needed", "mode 600, not 644, owner bin:root"),
        (ALL[3], sha256(CONTENT.encode()).hexdigest(), "0" * 64, "needed", "content differs"),
        (ALL[3], "regular file|644", "directory|644", "refused", "a directory is there"),
        (ALL[4], "-> /srv/hydra/releases/7", "-> /srv/hydra/releases/6", "needed", "points at /srv/hydra/releases/6"),
        (ALL[7], "259:1 / /volume", "8:17 / /volume", "refused", "another device (8:17) is mounted there"),
        (ALL[7], "259:1 / /volume", "259:1 / /elsewhere", "needed", "not mounted"),
        (ALL[7], "defaults,nofail", "defaults", "needed", "not so in /etc/fstab"),
        (ALL[7], "TYPE=ext4", "TYPE=xfs", "refused", "the device holds xfs (filesystem), not ext4"),
        (ALL[8], "ActiveState=active", "ActiveState=failed", "needed", "failed"),
        (ALL[8], "UnitFileState=enabled", "UnitFileState=disabled", "needed", "disabled"),
        (ALL[8], "NeedDaemonReload=no", "NeedDaemonReload=yes", "needed", "its unit file changed"),
        (ALL[8], "== hydra restarts\n", "== hydra restarts\nnginx.service\n", "needed", "to be restarted"),
    ],
)
def test_what_differs_is_named(operation, before, after, state, why):
    assert before in AS_WANTED

    found, said = one(operation, AS_WANTED.replace(before, after))

    assert found == state
    assert said.startswith(why)


def test_a_service_is_restarted_when_a_file_it_reads_will_change():
    text = AS_WANTED.replace(sha256(CONTENT.encode()).hexdigest(), "0" * 64)

    results = compare(ALL, answer(text))

    assert results[8] == ("needed", "to be restarted for /etc/nginx/nginx.conf")


def test_a_directory_goes_only_when_its_tree_is_named():
    there = "== hydra paths\ndirectory|755|root|root|/srv/old\n"

    assert one(Absent("/srv/old"), there)[0] == "refused"
    assert one(Absent("/srv/old", tree=True), there)[0] == "needed"


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ("TYPE=xfs\nUSAGE=filesystem", "xfs (filesystem)"),
        ("TYPE=LVM2_member\nUSAGE=raid", "LVM2_member (raid)"),
        ("PTTYPE=gpt", "a gpt partition table"),
        ("BYTES=first\nBYTES=last", "unknown bytes in its first, last MiB"),
        ("UNCLEAR=blkid ended with 8", "something unclear: blkid ended with 8"),
        ("SOMETHING=new", "something unclear: SOMETHING"),
    ],
)
def test_a_device_that_holds_anything_is_refused_and_said_what(held, said):
    state, why = one(Filesystem(VOLUME, blank=True), f"== hydra device\n{VOLUME}\nNUMBER=259:1\n{held}\n")

    assert state == "refused"
    assert said in why


def test_a_blank_device_is_formatted_only_on_somebodys_word():
    blank = f"== hydra device\n{VOLUME}\nNUMBER=259:1\n"

    assert one(Filesystem(VOLUME, blank=True), blank) == ("needed", "blank")
    assert one(Filesystem(VOLUME), blank)[0] == "refused"
    assert holds({"NUMBER": "259:1"}) == ""


# What would be changed


def test_the_change_is_shell_and_carries_content_in_its_archive_alone():
    secret = File("/etc/redis.pass", Secret("hunter2"))
    operations = (*ALL, secret)

    script, archive = change(operations, range(len(operations)))

    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    assert "hunter2" not in script
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert {member.name: tar.extractfile(member).read() for member in tar} == {
            "3": CONTENT.encode(),
            "10": b"hunter2",
        }


@pytest.mark.parametrize("missing", [1, 2, 3, 30, 300, 3000])
def test_a_change_cut_off_on_its_way_does_nothing_at_all(tmp_path, missing):
    operations = (Command("leave a trace", f"touch {tmp_path}/trace"),) * 12
    script = f"touch {tmp_path}/begun\n" + change(operations, range(12))[0]
    sent = counted(script)[:-missing]

    done = subprocess.run(["sh", "-c", conversation(())], input=sent, capture_output=True)

    assert b"yntax error" in done.stderr
    assert not list(tmp_path.iterdir())


def test_packages_in_a_row_are_installed_together():
    operations = (Package("nginx"), Package("redis"), File("/etc/motd", ""), Package("git"))

    script, _ = change(operations, range(4))

    assert packages_with(operations, range(4), 0) == [0, 1]
    assert script.count("install_all nginx redis") == 2  # once more after the lists were fetched
    assert "try 1\n" not in script


def test_a_restart_is_marked_before_the_file_is_touched():
    script, _ = change(ALL, {3, 8})

    assert script.index(f": >{RESTARTS}/nginx.service") < script.index("/etc/nginx/.nginx.conf.hydra")
