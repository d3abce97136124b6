"""Jobs of the worker, as the rooms show them."""

JOBS_SHOWN = 12
LOG_LETTERS = 2000  # most letters of an error that are shown


def jobs(app):
    """The newest jobs of this run as plain values: job_id, kind, state, progress, says and next (see `says` and
    `next_step`), asked_by, times, attempts, error, result (one line of text), parameters."""
    rows = app.store.jobs(run=app.run_key).head(JOBS_SHOWN).to_dict("records")
    names = ("job_id", "kind", "state", "progress", "asked_by", "asked_utc", "finished_utc", "attempts")
    return [
        {name: row[name] for name in names}
        | {"error": str(row["error"])[:LOG_LETTERS], "result": in_words(row["result"]), "parameters": row["parameters"]}
        | {"says": says(row), "next": next_step(row)}
        for row in rows
    ]


def says(job):
    """What an open job does now, in one line; '' if it has ended. job : a row of LabelStore.jobs, as a dict"""
    if job["state"] == "waiting":
        return f"waiting for the worker since {job['asked_utc'][11:16]} UTC"
    if job["state"] != "running":
        return ""
    return "stopping" if job["cancel_asked"] else job["text"] or "starting"


def next_step(job):
    """What to do about an open job, in one line; '' if there is nothing. job : as for `says`"""
    if job["state"] != "waiting":
        return ""
    same = f"triptych {job['kind']} RUN does the same."
    return f"The server's worker takes it within seconds. If not, the server runs without one: {same}"


def in_words(result):
    """One line that says what a retraining changed. '' if the result does not say."""
    if not isinstance(result, dict) or "changed" not in result:
        return ""
    taught, changed = result.get("training") or {}, result["changed"]
    parts = [f"taught by {taught.get('images', '?')} images of {taught.get('exposures', '?')} exposures"]
    parts += [f"{changed.get(name, 0)} {words}" for name, words in (("entered", "entered"), ("left", "left"))]
    return f"{parts[0]}; {parts[1]} the candidates, {parts[2]}"
