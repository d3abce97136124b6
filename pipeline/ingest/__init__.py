"""Files -> exposures, CCDs, previews and quarantine; what arrived, what changed, what was reprocessed."""
