"""Each AWS call that moto answers: which it was, the faults asked for it, and what moto could not do said properly."""

import threading

from . import answers
from .drivers import DriverError

_call = threading.local()

# What only looks. Everything else is saved before it is answered.
_LOOKS = ("Describe", "Get", "List", "Search", "BatchGet", "Lookup", "Simulate", "Validate", "Decode")
_SAVED_ELSEWHERE = {"PutMetricData"}  # metrics have a store of their own


def begin():
    """Forget the last call of this thread."""
    _call.last, _call.delay = None, 0.0


def last():
    """(service, action) of the call this thread has just answered; None if it was none of moto's."""
    return getattr(_call, "last", None)


def delay():
    """Seconds that a fault rule asked this thread's last call to take longer: slept where nobody else waits for it."""
    return getattr(_call, "delay", 0.0)


def writes(call):
    """Whether a call may have changed something that must be saved."""
    return bool(call) and not call[1].startswith(_LOOKS) and call[1] not in _SAVED_ELSEWHERE


def install(cloud, faults, refused):
    """Go round every call of moto's: `refused(service, action)` gives a sentence if this cloud does not serve it."""
    from moto.core.responses import BaseResponse

    original = BaseResponse.call_action

    def call_action(self):
        action = self._get_action() or ""
        _call.last = (self.service_name, action)
        fault = faults.take(self.service_name, action)
        if fault:
            _call.delay = fault.delay
            if fault.code:
                return _error(self, fault.code, fault.message, fault.status)
        sentence = refused(self.service_name, action)
        if sentence:
            return _not_implemented(cloud, self, action, sentence)
        try:
            return original(self)
        except NotImplementedError:
            return _not_implemented(cloud, self, action)
        except DriverError as error:
            cloud.log.error("%s %s: %s", self.service_name, action, error)
            return _error(self, "InternalError", str(error), 500)
        except Exception:  # moto's own faults are many, and each would be a page of HTML to a client that reads XML
            cloud.log.exception("%s %s crashed", self.service_name, action)
            sentence = f"The local cloud failed in {action}: see {cloud.place.home}/cloud.log"
            return _error(self, "InternalError", sentence, 500)

    BaseResponse.call_action = call_action


def _not_implemented(cloud, response, action, sentence=""):
    sentence = sentence or answers.MESSAGE.format(action=action or "This call", service=response.service_name)
    cloud.log.warning("not implemented: %s %s", response.service_name, action)
    return _error(response, "NotImplemented", sentence, answers.NOT_IMPLEMENTED)


def _error(response, code, message, status):
    headers = {name.lower(): value for name, value in response.headers.items()}
    line, fields, body = answers.error(response.service_name, headers, code, message, status)
    return status, dict(fields), body
