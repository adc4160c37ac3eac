"""What a repository holds, found out without loading a model."""

from dataclasses import dataclass

from hasten_runtime.clock import SystemClock
from hasten_worker.engine.config.rules import SYNTHETIC
from hasten_worker.engine.files.layout import list_models
from hasten_worker.engine.files.model_file import check_file, model_path
from hasten_worker.engine.loading.loader import Loader
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.settings import StoreSettings
from hasten_worker.engine.store.bring_up import Plan, Source, plan_of


@dataclass(frozen=True, slots=True)
class Inspected:
    """A model, or one of its versions.

    Attributes:
        name: The model's.
        version: "" where the fault is the whole model's.
        fault: Why it cannot be served; "" when nothing stands against trying it.
        notes: What the model's owner should know, one sentence each; told with one version.
    """

    name: str
    version: str
    fault: str
    notes: tuple[str, ...] = ()


def inspect(settings: StoreSettings) -> list[Inspected]:
    """Layout, configuration and files of each model that would be loaded.

    Files are parsed; no session is opened, so that what is found good may still be refused.

    Raises:
        OSError: The repository cannot be read.
    """
    listing = list_models(settings.models_dir, settings.files)
    found = [Inspected(name, "", fault) for name, fault in listing.unusable.items()]
    loader = Loader(settings, SystemClock())
    for name in listing.names:
        source = Source(settings.models_dir / name, settings.models_dir)
        try:
            plan = plan_of(name, source, settings, loader)
        except ModelRefused as refused:
            found.append(Inspected(name, "", str(refused)))
        else:
            found += _versions(name, plan)
    return found


def _versions(name: str, plan: Plan) -> list[Inspected]:
    """The versions that would serve, and those that would be refused before them."""
    found: list[Inspected] = []
    good = 0
    for version in plan.marks:
        if good >= plan.count:
            break
        fault = _fault(plan, version)
        good += not fault
        found.append(Inspected(name, version, fault, () if found else plan.notes))
    return found


def _fault(plan: Plan, version: str) -> str:
    blueprint = plan.blueprint
    if blueprint.backend == SYNTHETIC:
        return ""
    try:
        check_file(model_path(blueprint.folder / version, blueprint.file_name))
    except ModelRefused as refused:
        return str(refused)
    except OSError as error:
        return f"its file cannot be read: {error.strerror}"
    return ""
