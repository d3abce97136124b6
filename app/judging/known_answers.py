"""Exposures with a known answer that queues mix in: nothing may tell it to who votes, before his own vote."""

from triptych.app.judging import repeats


def known_answers(app):
    """expnums (a set) that queues hold although their answer is known."""
    return set(app.store.draws(app.catalog.camera, kind="known")["expnum"].astype(int))


def secret_answers(app, user):
    """Those of them (a set) whose answer this user may not read yet.

    Of a lead who has not voted, and of a viewer, who cannot, nothing is kept secret.
    """
    known = known_answers(app)
    if not known or user.role == "viewer":
        return set()
    own = set(app.store.ballots(app.catalog.camera, user.name)["expnum"].astype(int))
    if user.role == "lead" and not own:
        return set()
    return known - (own - set(repeats.waiting(app, user)))


def readable_labels(app, user):
    """The imported labels that this user may read now: see LabelStore.labels."""
    labels, secret = app.store.labels(), secret_answers(app, user)
    return labels[~labels["expnum"].isin(secret)] if secret else labels
