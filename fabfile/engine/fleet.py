"""Many machines at once: one act on each, in a bounded pool, every failure collected and told together."""

import queue
import threading

from .errors import Failure, Refusal

WORKERS = 16


def each(hosts, act, workers=WORKERS, say=None):
    """Do `act(host)` for each host, at most `workers` at once, and return {host's name: what it returned}.

    `say(host, result)` is called as each one is done, never two at once. When all are done and some failed, one
    Failure tells of every one of them. An interrupt (Ctrl-C) starts nothing more and does not wait for the rest.
    """
    hosts = list(hosts)
    names = [host.name for host in hosts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refusal(f"{', '.join(twice)}: a name that two machines carry; give each its own")
    todo, told, stop = queue.SimpleQueue(), queue.SimpleQueue(), threading.Event()
    for host in hosts:
        todo.put(host)
    threads = [
        # Daemons: a machine that hangs must not keep an interrupted run from ending.
        threading.Thread(target=_work, args=(todo, told, act, stop), daemon=True)
        for _ in range(min(workers, len(hosts)))
    ]
    try:
        for thread in threads:
            thread.start()
        return _collect(hosts, told, say)
    finally:
        stop.set()


def checked(host, outcomes):
    """The Outcomes again; or a Failure that names the machine, each operation that went wrong, and its last lines."""
    bad = [outcome for outcome in outcomes if outcome.state in ("failed", "refused")]
    bad = [outcome for outcome in bad if not outcome.detail.startswith("not tried")] or bad
    if bad:
        raise Failure("\n".join(f"{host.name}: {outcome.operation}: {outcome.detail}" for outcome in bad))
    return outcomes


def _work(todo, told, act, stop):
    """Take hosts until none is left, and tell of each what came out."""
    while not stop.is_set():
        try:
            host = todo.get_nowait()
        except queue.Empty:
            return
        try:
            told.put((host, act(host), None))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the thread that waits for it
            told.put((host, None, error))


def _collect(hosts, told, say):
    """Results by name in the order of `hosts`, once all are told; or else the one Failure."""
    results, failures, broken = {}, {}, []
    for _ in hosts:
        host, result, error = told.get()
        if error is None:
            results[host.name] = result
            if say:
                say(host, result)
        elif isinstance(error, Refusal):
            failures[host.name] = error
        else:
            broken.append(error)
    if broken:  # not a machine's failure: a mistake of ours, which must keep its traceback
        raise broken[0]
    if failures:
        raise _together(hosts, failures)
    return {host.name: results[host.name] for host in hosts}


def _together(hosts, failures):
    """The one Failure for all that failed."""
    if len(failures) == len(hosts) == 1:
        return next(iter(failures.values()))
    lines = [f"{len(failures)} of {len(hosts)} machines failed:"]
    for host in hosts:
        if host.name in failures:
            text = str(failures[host.name])
            lines.append(text if text.startswith(host.name) else f"{host.name}: {text}")
    return Failure("\n".join(lines))
