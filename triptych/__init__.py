"""Triptych: find and judge the bad exposures of an imaging survey.

The parts are folders beside this one, linked here so that they have one import name each: `triptych.pipeline` (science
and storage), `triptych.app` (dashboard and command line) and `triptych.static` (what runs in the browser).
"""
