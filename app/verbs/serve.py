"""Verbs for judging: accounts, the size of the panel, the dashboard, and the exported list."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from triptych.app.verbs.common import Labels, Run, open_run, open_store, say
from triptych.pipeline.errors import BadInput, choose

Name = Annotated[str, typer.Argument(help="Name of the account.", metavar="NAME")]


def export(
    run: Run,
    format: Annotated[
        str, typer.Option(help="Format of the list: bad_expid, exclude, vi, csv, ecsv, fits or parquet.")
    ] = "bad_expid",
    policy: Annotated[
        str, typer.Option(help="How votes become a verdict: any, majority, unanimous or posterior.")
    ] = "majority",
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="File to write. Default or -: print the list (text formats only)."),
    ] = None,
    old: Annotated[
        bool,
        typer.Option("--old", help="Also write exposures that were judged on another pipeline version than the run's."),
    ] = False,
    reason: Annotated[
        list[str] | None, typer.Option(help="Write only exposures with this reason. Can be repeated.")
    ] = None,
    labels: Labels = "",
) -> None:
    """Write the list for other programs. The same label store always gives the same bytes."""
    from triptych.pipeline.export.export import export as write

    catalog = open_run(run)
    target = sys.stdout.buffer if out is None or str(out) == "-" else out
    store, only = open_store(catalog, labels), tuple(reason or ())
    report = write(catalog, store, format=format, policy=policy, out=target, include_old=old, reasons=only)
    say(str(report))


def user_add(
    run: Run,
    name: Annotated[str, typer.Argument(help="Name of the account, which signs the votes.", metavar="NAME")],
    role: Annotated[str, typer.Option(help="inspector, lead or viewer.")] = "inspector",
    password: Annotated[str, typer.Option(help="Eight characters or more. Default: ask for it.")] = "",
    oauth: Annotated[
        bool,
        typer.Option(
            "--oauth",
            help="Without a password: they log in through the provider of `triptych serve --oauth`, which knows them "
            "by this name.",
        ),
    ] = False,
    labels: Labels = "",
) -> None:
    """Add an account, or give an existing one a new password and role."""
    if oauth and password:
        raise BadInput("an account has a password or logs in through OAuth; leave out --password or --oauth")
    store = open_store(open_run(run), labels)
    before = store.user(name)
    if before is not None and not before.active:
        raise BadInput(f"the account {name} is closed; open it with `triptych user open {run} {name}`")
    if not oauth and not password:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    how = "through OAuth" if oauth else "with the new password"
    if before is None:
        store.add_user(name, None if oauth else password, role)
        return say(f"{name} can log in as {role}{f' {how}' * oauth}")
    ended = store.set_oauth(name) if oauth else store.set_password(name, password)
    store.set_role(name, role)
    was = "" if before.role == role else f", no longer as {before.role}"
    say(f"{name} can log in as {role}{was}, {how}; {logins_ended(ended)}")


def logins_ended(count: int) -> str:
    """How many logins have ended, in words."""
    return {0: "no login was open", 1: "one login ended"}.get(count, f"{count} logins ended")


def user_close(run: Run, name: Name, labels: Labels = "") -> None:
    """Close an account: end its logins and allow no new one. Its votes stay."""
    ended = open_store(open_run(run), labels).set_active(name, False)
    say(f"{name} can no longer log in; {logins_ended(ended)}")


def user_open(run: Run, name: Name, labels: Labels = "") -> None:
    """Open a closed account again, with its old password and role."""
    store = open_store(open_run(run), labels)
    store.set_active(name, True)
    say(f"{name} can log in again, as {next(user.role for user in store.users() if user.name == name)}")


def user_logout(run: Run, name: Name, labels: Labels = "") -> None:
    """End all logins of an account, on all computers. It may log in again."""
    store = open_store(open_run(run), labels)
    choose(name, [user.name for user in store.users()], "account")
    say(f"{name} is logged out everywhere; {logins_ended(store.end_logins(name))}")


def user_list(run: Run, labels: Labels = "") -> None:
    """List the accounts: name, role, open or closed, and how they log in."""
    for user in open_store(open_run(run), labels).users():
        state, how = "active" if user.active else "closed", "OAuth" if user.oauth else "password"
        print(f"{user.name}\t{user.role}\t{state}\t{how}")


def user_log(
    run: Run,
    user: Annotated[str | None, typer.Option(help="Only what happened to this account.", metavar="NAME")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only since this day or moment, in UTC.")] = None,
    labels: Labels = "",
) -> None:
    """List log-ins and changes of accounts.

    Failed log-ins too. Each line: when, what, account, by whom, from where, details.
    """
    first = since.isoformat() if since else ""
    for event in open_store(open_run(run), labels).account_events(user, first):
        print("\t".join((event.created_utc, event.what, event.name, event.by, event.address, event.details)))


def serve(
    runs: Annotated[
        list[Path], typer.Argument(help="The run folder, or several: each is then at /NAME/.", metavar="RUN...")
    ],
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 5006,
    address: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 admits other computers.")] = "localhost",
    blind: Annotated[bool, typer.Option(help="Hide the model's opinion until the inspector has voted.")] = False,
    origin: Annotated[
        list[str] | None, typer.Option(help="HOST:PORT that browsers use, if it is not --address. Can be repeated.")
    ] = None,
    tls_proxy: Annotated[bool, typer.Option(help="A proxy in front uses HTTPS: send cookies over HTTPS only.")] = False,
    prefix: Annotated[
        str,
        typer.Option(
            help="Path before every address, e.g. /triptych, for a proxy that also serves other programs. It must pass "
            "the path on unchanged.",
        ),
    ] = "",
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Log every request and message as one JSON object a line.")
    ] = False,
    metrics_token: Annotated[
        Path | None,
        typer.Option(
            help="File whose first line is the token that whoever asks for /metrics has to send. Without it, only "
            "programs on this computer may ask, if the dashboard is served to it alone.",
            metavar="FILE",
        ),
    ] = None,
    oauth: Annotated[
        Path | None,
        typer.Option(
            help="File that names an OAuth provider, its key and secret: whoever has an account of `triptych user add "
            "--oauth` logs in there. See the guide.",
            metavar="FILE",
        ),
    ] = None,
    demo_accounts: Annotated[
        bool,
        typer.Option(
            "--demo-accounts",
            help="Let other computers log in with the demonstration's password, too.",
        ),
    ] = False,
    labels: Labels = "",
) -> None:
    """Serve the dashboard of a run, or of several under one address."""
    from triptych.app import server

    server.serve(
        *runs,
        port=port,
        address=address,
        labels=labels or None,
        blind=blind,
        origins=origin or (),
        tls_proxy=tls_proxy,
        prefix=prefix,
        metrics_token=metrics_token,
        log_json=log_json,
        oauth=oauth,
        demo_accounts=demo_accounts,
    )


def panel(
    run: Run,
    inspectors: Annotated[
        int, typer.Argument(help="Number of inspectors who judge each exposure.", min=1, metavar="N")
    ],
) -> None:
    """Set the number of inspectors on the panel. The default is three."""
    open_run(run).set_info(panel=inspectors)
    say(f"verdicts are counted against a panel of {inspectors}")
