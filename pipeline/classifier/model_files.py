"""Writes a classifier as the files of a model stage, and reads it back."""

from dataclasses import asdict

from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.damage import reading
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.classifier.classifier import (
    CLASSIFIERS,
    Classifier,
    Model,
)
from triptych.pipeline.classifier.cross_fitted_heads import as_arrays, from_arrays
from triptych.pipeline.classifier.exposure_calibration import ExposureView
from triptych.pipeline.classifier.parameter_search import SearchResult
from triptych.pipeline.errors import choose
from triptych.pipeline.vectors.reduction import NOTHING, SCALERS, Reduction


def write_model(
    catalog: Catalog,
    embedding: Stage,
    model: Model,
    report: dict,
    *,
    parameters: dict,
    make_current: bool = True,
    searched: SearchResult | None = None,
    test: dict | None = None,
) -> Stage:
    """Write a model stage: arrays `vectors`, `matrix`, `offset`; table `training`; JSON `classifier`, `report`, `view`.

    Further files, if they apply: array `exponents` (scaler `power`); `head.safetensors` and JSON `head` (learners);
    `whole.safetensors` and JSON `whole` (learners of the whole focal plane); table and JSON `search`; JSON `test`.
    """
    parameters = {"classifier": model.name, "seed": model.seed, **parameters}
    with catalog.new_stage(
        "model", model.name, parents=[embedding], parameters=parameters, make_current=make_current
    ) as writer:
        writer.write_array(model.vectors)
        writer.write_array(model.reduction.matrix, "matrix")
        writer.write_array(model.reduction.offset, "offset")
        if len(model.reduction.exponents):
            writer.write_array(model.reduction.exponents, "exponents")
        writer.write_table(model.training.assign(reasons=model.training.reasons.map(list)), "training")
        writer.write_json(
            {"name": model.name, **asdict(model.classifier), "classes": model.classes, "seed": model.seed}, "classifier"
        )
        writer.write_json(report, "report")
        writer.write_json({**asdict(model.view), "camera": model.camera}, "view")
        if model.head:
            arrays, plain = as_arrays(model.head)
            save_file(arrays, writer.folder / "head.safetensors")
            writer.write_json(plain, "head")
        if model.whole:
            arrays, plain = as_arrays(model.whole)
            save_file(arrays, writer.folder / "whole.safetensors")
            writer.write_json(plain, "whole")
        if searched:
            writer.write_json(searched.report, "search")
            writer.write_table(searched.table, "search")
        if test:
            writer.write_json(test, "test")
    return writer.stage


def classifier_of(stage: Stage) -> str | Classifier:
    """The classifier of a model stage: its name, or the parameters that a search has found."""
    model = read_model(stage)
    return model.name if CLASSIFIERS.get(model.name) == model.classifier else model.classifier


def _read_head(stage: Stage, name: str):
    """The learners that are stored under a name; None without any."""
    path = stage.path / f"{name}.safetensors"
    if not path.exists():
        return None
    with reading(path):
        try:
            arrays = load_file(path)
        except SafetensorError as error:
            raise ValueError(error) from None
        return from_arrays(arrays, stage.json(name))


def read_model(stage: Stage) -> Model:
    """Read a model stage back."""
    with reading(stage.path / "classifier.json"):
        settings = stage.json("classifier")
        known_as, seed = settings["name"], settings["seed"]
    training = stage.table("training")
    for name, value in (("basis", ""), ("weight", 1.0)):  # older stages have no weights
        training = training if name in training else training.assign(**{name: value})
    # Older stages lack parameters that were added later. The defaults describe what those stages did.
    classifier = Classifier(**{name: settings[name] for name in Classifier.__dataclass_fields__ if name in settings})
    step = SCALERS[choose(classifier.scaler, SCALERS, "scaler")].step
    exponents = stage.array("exponents", mmap=False) if step == "yeo_johnson" else NOTHING
    view: dict = stage.json("view") if (stage.path / "view.json").exists() else {"camera": "decam"}
    heads = {name: _read_head(stage, name) for name in ("head", "whole")}
    return Model(
        name=known_as,
        classifier=classifier,
        reduction=Reduction(stage.array("matrix", mmap=False), stage.array("offset", mmap=False), step, exponents),
        vectors=stage.array("vectors", mmap=False),
        training=training.assign(reasons=training.reasons.map(tuple)),
        seed=seed,
        head=heads.get("head"),
        whole=heads.get("whole"),
        camera=view.pop("camera"),
        view=ExposureView(**view),
    )
