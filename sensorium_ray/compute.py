"""The one place where Ray is started, and where its errors are taken out of their wrapping."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys

from .errors import ConfigError, SensoriumError


def connect(address: str | None = None) -> None:
    """Join the cluster at `address` (`auto`, `ray://host:10001`), or start a small one on this machine.

    Does nothing when this process is connected already. A local cluster keeps its object store small, since
    trials travel by reference to the frame store, not through it.

    Raises
    ------
    ConfigError : no cluster answers there, it refuses this machine's token, or it runs another Ray or Python.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # Tune's own tables; `search` has its progress line
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if ray.is_initialized():
        return
    before = signal.getsignal(signal.SIGTERM)
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    if not may_grow(address):
        ray.init(address="local", include_dashboard=False, object_store_memory=400 * 1024**2, **quiet)
    else:
        try:
            ray.init(address=address or "auto", **quiet)
        except (ConnectionError, RuntimeError, ray.exceptions.AuthenticationError) as error:
            raise _unreachable(error, address or os.environ.get("RAY_ADDRESS", "auto")) from error
    if callable(before) and signal.getsignal(signal.SIGTERM) is not before:
        # Ray has put its own in place, which would end the process amid whatever it does.
        signal.signal(signal.SIGTERM, before)


def may_grow(address: str | None) -> bool:
    """Whether `connect` joins a cluster, to which machines may come, and not this machine alone."""
    return address is not None or "RAY_ADDRESS" in os.environ


def _unreachable(error: Exception, address: str) -> Exception:
    """What to say where a cluster cannot be joined; Ray has logged its reasons by then."""
    where = f"the Ray cluster at '{address}'"
    versions = re.findall(r"(?:Ray|Python): \S+", str(error))
    if len(versions) == 4:
        what = "runs {}, {}, and this machine {}, {}".format(*(each.replace(":", "") for each in versions))
        return ConfigError(what, where, "use the same environment on both")
    if isinstance(error, RuntimeError):
        return error
    mend = "try `ray status` on it, and let RAY_AUTH_TOKEN or ~/.ray/auth_token be its token"
    return ConfigError("does not answer, or refuses this machine's token", where, mend)


def require(what: str, address: str | None, **resources: float) -> None:
    """Refuse work for which this machine has too little; a cluster may grow, so there it is said and waited for.

    Parameters
    ----------
    what : the work, for the sentence.
    address : as given to `connect`, which was called.
    resources : how much of 'CPU' and 'GPU' it needs at once.

    Raises
    ------
    ConfigError : there is less of one than it needs, and there will not be more.
    """
    import ray

    there = ray.cluster_resources()
    for name, needed in resources.items():
        if needed > there.get(name, 0):
            lack = f"needs {needed:g} {name}s at once, and there are {there.get(name, 0):g}"
            if not may_grow(address):
                raise ConfigError(lack, what, "ask for fewer, or name a cluster that has them with --address")
            print(f"{what}: {lack}; waiting for the cluster to grow", file=sys.stderr, flush=True)


def original(error: BaseException) -> BaseException:
    """Error that a task or an actor raised, out of what Ray wrapped around it.

    One of ours is built anew, since Ray Data adds advice of its own to its arguments.
    """
    import ray

    while isinstance(error, ray.exceptions.RayTaskError) and isinstance(error.cause, BaseException):
        error = error.cause
    if isinstance(error, SensoriumError):
        return type(error)(error.what, error.where, error.mend)
    return error
