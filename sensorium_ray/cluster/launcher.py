"""Check a file of Ray's cluster launcher: Ray's own schema first, then what it lets pass and people get wrong."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from .account import check_account
from .aws import check_aws, check_parameters, ingress
from .commands import check_commands
from .costs import check_costs
from .files import check_files
from .findings import Finding
from .onprem import check_onprem
from .ports import check_ports
from .reading import at
from .spelling import check_placeholders, check_spelling

_CLOUDS = ("aws", "local")
_INSTALL = "install this project with it: pip install '.[aws]'"


def check_launcher(config: dict[str, Any], file: str, *, online: bool = False) -> list[Finding]:
    """Everything that is wrong with one file; what comes after a fault of form is only told once that is mended.

    AWS is only asked about a file in which nothing else is wrong.
    """
    provider = config.get("provider")
    kind = provider.get("type") if isinstance(provider, dict) else None
    if kind not in _CLOUDS:
        what = f"is '{kind}'" if kind else "is missing"
        return [Finding(at(file, "provider", "type"), what, f"known here: {', '.join(_CLOUDS)}", "error")]
    found = [*check_spelling(config, file), *(check_onprem(config, file) if kind == "local" else ())]
    if _has_error(found):
        return found
    prepared = _prepare(config, file)
    if isinstance(prepared, Finding):
        return [*found, prepared]
    found += [*check_placeholders(config, file), *check_files(prepared, file), *check_commands(prepared, file)]
    if kind == "aws":
        found += _on_aws(config, prepared, file, online=online and not _has_error(found))
    return found


def _on_aws(written: dict[str, Any], config: dict[str, Any], file: str, *, online: bool) -> list[Finding]:
    if find_spec("boto3") is None:
        return [Finding(file, "Ray starts nodes of AWS with boto3, which is missing", _INSTALL, "error")]
    if wrong := [*check_parameters(config, file)]:
        return wrong
    found = [*check_costs(written, config, file), *check_aws(config, file)]
    if online and not _has_error(found):
        return [*found, *check_account(config, file)]
    return [*found, *check_ports(ingress(config), at(file, "provider", "security_group"))]


def _has_error(found: Sequence[Finding]) -> bool:
    return any(finding.severity == "error" for finding in found)


def _prepare(config: dict[str, Any], file: str) -> dict[str, Any] | Finding:
    """The file as Ray completes it, or why Ray refuses it."""
    from jsonschema import ValidationError
    from ray.autoscaler._private.util import prepare_config, validate_config

    logging.getLogger("ray.autoscaler").setLevel(logging.WARNING)  # it tells what it fills in
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            prepared: dict[str, Any] = prepare_config(copy.deepcopy(config))
            validate_config(prepared)
    except ValidationError as error:
        return Finding(at(file, *error.absolute_path), error.message, "write it as Ray's schema asks", "error")
    except Exception as error:  # Ray raises whatever comes to hand
        what = f"Ray refuses it ({error.__class__.__name__}: {error})"
        return Finding(file, what, "mend what it names", "error")
    return prepared
