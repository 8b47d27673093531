"""`cluster`: a cluster's file checked, and Ray's own commands on it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..cluster.findings import Finding

app = typer.Typer(
    help="Check a cluster's file, start it, submit jobs, end it: Ray's own commands, which are printed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_FILE = typer.Argument(help="File of Ray's cluster launcher, such as cluster.yaml.")
_YES = typer.Option("--yes", "-y", help="Let Ray ask no questions.")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="File of Ray's cluster launcher, or manifests for Kubernetes.")],
    online: Annotated[bool, typer.Option("--online", help="Ask AWS too whether what it names is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Say everything that is wrong with a cluster's file before money is spent.

    Ends with status 1 where there is an error. A warning may be meant so.

    Example: sensorium cluster check cluster.yaml --online
    """
    from ..cluster.checking import check as run

    found = run(file, online=online)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found], indent=1))
    else:
        for finding in found:
            typer.echo(_spoken(finding))
        if not found:
            typer.echo(f"{file}: nothing is wrong with it")
    raise typer.Exit(any(finding.severity == "error" for finding in found))


@app.command()
def up(file: Annotated[Path, _FILE], yes: Annotated[bool, _YES] = False) -> None:
    """Start a cluster, or apply a change of its file, once `check` finds no error: `ray up`.

    Example: sensorium cluster up cluster.yaml
    """
    from ..cluster.driving import up as run

    run(file, yes=yes, tell=lambda finding: typer.echo(_spoken(finding), err=True))


@app.command()
def status(file: Annotated[Path, _FILE]) -> None:
    """Show which nodes run, what they do and what waits for more: `ray status` on the head.

    Example: sensorium cluster status cluster.yaml
    """
    from ..cluster.driving import status as run

    run(file)


@app.command()
def submit(
    file: Annotated[Path, _FILE],
    command: Annotated[list[str], typer.Argument(help="What to run on the cluster, after --.")],
    working_dir: Annotated[
        Path | None, typer.Option(help="Folder that travels with it, such as one with search spaces of your own.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Print its log until it ends.")] = True,
) -> None:
    """Run a command on the cluster: `ray job submit` through the tunnel of `ray dashboard`.

    Example: sensorium cluster submit cluster.yaml --no-wait -- sensorium sweep s3://lab/store dwiseneuro
    --out s3://lab/sweep --gpus 1
    """
    from ..cluster.driving import submit as run

    run(file, command, working_dir=working_dir, wait=wait)


@app.command()
def logs(
    file: Annotated[Path, _FILE],
    job: Annotated[str, typer.Argument(help="The job's id, as `submit` printed it.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it ends.")] = False,
) -> None:
    """Print a job's log: `ray job logs` through the tunnel of `ray dashboard`.

    Example: sensorium cluster logs cluster.yaml raysubmit_u9ZbRvAeSbd1jXhE --follow
    """
    from ..cluster.driving import logs as run

    run(file, job, follow=follow)


@app.command()
def down(file: Annotated[Path, _FILE], yes: Annotated[bool, _YES] = False) -> None:
    """End all nodes of a cluster, and with them the costs: `ray down`.

    Example: sensorium cluster down cluster.yaml
    """
    from ..cluster.driving import down as run

    run(file, yes=yes)


def _spoken(finding: Finding) -> str:
    return f"{finding.severity}: {finding.where}: {finding.what}; {finding.mend}"
