"""What the plain install leaves out says in one line what to install, before anything is computed."""

import sys

import pytest

from triptych.app.cli import main
from triptych.pipeline.errors import NotInstalled
from triptych.pipeline.extras import EXTRA_OF, need

ASKED = [
    (["embed", "RUN", "--scheduler", "local"], "distributed"),
    (["embed", "RUN", "--from", "FOLDER/vectors.h5"], "h5py"),
    (["labels", "import", "RUN", "FOLDER/inspection.xlsx"], "openpyxl"),
    (["labels", "show", "RUN", "--labels", "postgresql://nobody@localhost:1/none"], "psycopg"),
    (["embed", "RUN", "--backbone", "dinov2-paper"], "torch"),
    (["embed", "RUN", "--backbone", "dinov2-sky:FOLDER"], "transformers"),
    (["embed", "RUN", "--backbone", "preview-vit:FOLDER"], "transformers"),
    (["pretrain", "RUN", "-o", "FOLDER/model"], "transformers"),
    (["probe", "RUN", "--kind", "attentive"], "torch"),
    (["probe", "RUN", "--curve"], "torch"),
]


@pytest.mark.parametrize(("words", "module"), ASKED)
def test_a_feature_names_the_extra_that_brings_it(words, module, survey_folder, tmp_path, monkeypatch, capsys):
    for name in ("vectors.h5", "inspection.xlsx"):
        (tmp_path / name).touch()
    places = {"RUN": str(survey_folder), "FOLDER": str(tmp_path)}
    for short, place in places.items():
        words = [word.replace(short, place) for word in words]
    monkeypatch.setattr(sys, "argv", ["triptych", *words])
    monkeypatch.setitem(sys.modules, module, None)  # importing it fails from now on
    with pytest.raises(SystemExit) as stop:
        main()
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("triptych:")]
    assert stop.value.code == 1
    assert len(said) == 1
    wanted = f'pip install "triptych[{EXTRA_OF[module]}]"'
    assert said[0].endswith(f" needs the package {module}, which is not installed; try {wanted}")


def test_every_module_of_an_extra_is_asked_for():
    assert {module for _words, module in ASKED} == set(EXTRA_OF)


def test_a_package_that_is_broken_says_how(tmp_path, monkeypatch):
    (tmp_path / "psycopg").mkdir()
    (tmp_path / "psycopg" / "__init__.py").write_text("raise ImportError('no pq wrapper available')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "psycopg", raising=False)
    with pytest.raises(NotInstalled, match=r"cannot be imported \(no pq wrapper available\); try pip install"):
        need("a label store in PostgreSQL", "psycopg")
