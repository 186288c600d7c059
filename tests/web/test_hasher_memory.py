"""Many who sign in at once take no more memory than a few."""

import subprocess
import sys

from tests.web.servers import ROOT
from webapp.settings import PASSWORD_HASHERS

CROWD = """
import resource, sys, threading
import django
from django.conf import settings
settings.configure(PASSWORD_HASHERS=[sys.argv[1]])
django.setup()
from django.contrib.auth.hashers import check_password, identify_hasher, make_password

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

hashed = make_password("right")
assert identify_hasher(hashed).algorithm == "argon2"
one, all_here, answers = peak(), threading.Barrier(8), []

def sign_in(number):
    all_here.wait()
    answers.append(check_password(("right", "wrong")[number % 2], hashed))
    make_password("another")

crowd = [threading.Thread(target=sign_in, args=(number,)) for number in range(8)]
for each in crowd:
    each.start()
for each in crowd:
    each.join()
print(peak() - one, sorted(answers))
"""


def test_eight_sign_ins_at_once_take_the_memory_of_two():
    words = [sys.executable, "-c", CROWD, PASSWORD_HASHERS[0]]
    told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    more, answers = told.split(maxsplit=1)
    assert answers == "[False, False, False, False, True, True, True, True]\n"
    assert int(more) < 150  # MiB; a run takes 100
