"""The way of one model version from its folder to a warm model."""

import contextlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_runtime import logs
from hasten_runtime.clock import Clock
from hasten_worker.engine.config.complete import complete_config, may_batch
from hasten_worker.engine.config.parameters import Parameters, read_parameters
from hasten_worker.engine.config.providers import Planner
from hasten_worker.engine.config.rules import SYNTHETIC, backend_of, check_fields
from hasten_worker.engine.config.spec import (
    Sizing,
    batch_buckets,
    model_spec,
    padding_sizes,
    profile_rows,
)
from hasten_worker.engine.config.text import (
    NOTHING_WRITTEN,
    WrittenConfig,
    config_from_json,
    config_from_text,
)
from hasten_worker.engine.facts import ModelFacts
from hasten_worker.engine.files.layout import CONFIG_NAME, file_name_of
from hasten_worker.engine.files.model_file import model_path
from hasten_worker.engine.files.snapshot import copy_version, private_folder, read_file
from hasten_worker.engine.isolation.host import Use
from hasten_worker.engine.loading.labels import read_labels
from hasten_worker.engine.loading.profiling import Profile, ProfileLimits, Profiler, cells_of
from hasten_worker.engine.loading.runners import Runners
from hasten_worker.engine.loading.synthetic import SyntheticModel, complete_synthetic
from hasten_worker.engine.onnx.model import OnnxModel
from hasten_worker.engine.onnx.port import ModelRunner
from hasten_worker.engine.onnx.session import SessionPlan, open_session, session_options
from hasten_worker.engine.onnx.tensor_plan import tensor_specs
from hasten_worker.engine.onnx.watchdog import Watchdog
from hasten_worker.engine.refusal import GIVEN_UP, ModelRefused
from hasten_worker.engine.settings import StoreSettings
from hasten_worker.engine.trial import samples
from hasten_worker.engine.trial.client import Trial
from hasten_worker.engine.trial.free_sizes import frames
from hasten_worker.engine.trial.generated import Generator
from hasten_worker.engine.trial.kept import Kept
from hasten_worker.engine.trial.task import Task
from hasten_worker.model import Array, Model

_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A model's configuration, read and checked, before any version is touched.

    Attributes:
        name: The model.
        folder: Its folder, all links resolved.
        root: The repository, inside of which links are followed; None: nowhere.
        written: Its configuration as written.
        parameters: Its parameters.
        backend: onnxruntime or synthetic.
        file_name: Of the model file in each version's folder.
        notes: What its owner should know, one sentence each.
    """

    name: str
    folder: Path
    root: Path | None
    written: WrittenConfig
    parameters: Parameters
    backend: str
    file_name: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A version that may serve.

    Attributes:
        model: Warm.
        notes: What its owner should know, one sentence each.
    """

    model: Model
    notes: tuple[str, ...] = ()


class Loader:
    """Loads versions, one at a time. Its methods block; `stop` may come from any thread.

    Args:
        settings: Of the store.
        clock: Measures warm-up runs.
    """

    def __init__(self, settings: StoreSettings, clock: Clock) -> None:
        self.warm_up_s = 0.0
        self._settings = settings
        self._clock = clock
        self._planner = Planner(settings)
        self._stop = threading.Event()
        self._kept = Kept(settings.examinations_dir)
        self._trial = Trial(settings.trial, self._kept)
        self._runners = Runners(settings, clock, self._stop, self._open)
        self._opening: ort.SessionOptions | None = None
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Starts the trial process ahead of the first load, if it can be started."""
        with contextlib.suppress(OSError, ModelRefused):
            self._trial_now().start()

    def rest(self) -> None:
        """Ends the trial process; the next load starts a new one."""
        with self._lock:
            trial, self._trial = self._trial, Trial(self._settings.trial, self._kept)
        trial.close()

    def stop(self) -> None:
        """Gives up what is loading, soon; later loads are refused."""
        self._stop.set()
        with self._lock:
            if self._opening is not None:
                self._opening.set_load_cancellation_flag(True)
        self._trial_now().close()

    def close(self) -> None:
        """Ends the processes that run models; none of them is in use."""
        self._runners.close()

    def use(self) -> Use:
        """What the processes that run models use."""
        return self._runners.use()

    def blueprint(
        self, name: str, folder: Path, config_json: str | None, root: Path | None = None
    ) -> Blueprint:
        """Reads the configuration: the given one, else the folder's, else none.

        Args:
            name: The model.
            folder: Its folder, all links resolved.
            config_json: The given configuration.
            root: The repository, inside of which links are followed; None: nowhere.

        Raises:
            ModelRefused: It is not well formed or asks for what is not offered.
        """
        written = self._written(folder, config_json, root)
        config = written.config
        if config.name not in {"", name}:
            raise ModelRefused(
                f"the configuration names the model {config.name!r}, its folder is {name!r}"
            )
        config.name = name
        backend = backend_of(config)
        notes = [*written.unknown, *check_fields(config)]
        parameters, unread = read_parameters(config)
        return Blueprint(
            name=name,
            folder=folder,
            root=root,
            written=written,
            parameters=parameters,
            backend=backend,
            file_name=file_name_of(config),
            notes=(*notes, *unread),
        )

    def load(self, blueprint: Blueprint, version: str) -> Loaded:
        """Copies, examines, opens, warms and measures one version.

        Raises:
            ModelRefused: It is not to be used, or the load was given up.
        """
        try:
            if blueprint.backend == SYNTHETIC:
                return Loaded(self._synthetic(blueprint, version))
            return self._onnx(blueprint, version)
        except ModelRefused as error:
            # A field that is misspelt is ignored, and then something else does not fit.
            if error.passing or not blueprint.written.unknown:
                raise
            unknown = "; ".join(blueprint.written.unknown)
            raise ModelRefused(f"{error}; {CONFIG_NAME}: {unknown}") from error

    def _onnx(self, blueprint: Blueprint, version: str) -> Loaded:
        self._runners.start()
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(private_folder(self._settings.snapshot_dir))
            self._copy(blueprint, version, folder)
            plans, instances, notes = self._planner.plan(
                blueprint.written.config, blueprint.parameters
            )
            for note in notes:
                _log.warning("model.note", model=blueprint.name, version=version, note=note)
            facts = self._examine(blueprint, version, folder, plans[0])
            config = complete_config(
                blueprint.written, facts, batch_max_default=self._settings.batch_max_default
            )
            path = model_path(folder / version, blueprint.file_name)
            runners: list[ModelRunner] = []
            for plan in plans:
                runner = self._runners.make(blueprint.name, path, plan, config, folder)
                stack.callback(runner.close)
                runners.append(runner)
            began_s = self._clock.now_s()
            profile = self._warm(blueprint, config, facts, folder, runners, plans)
            self.warm_up_s += self._clock.now_s() - began_s
            labels = read_labels(config, blueprint.folder, self._settings.files, blueprint.root)
            inputs, outputs = tensor_specs(config, labels)
            sizing = Sizing(instances, padding_sizes(config, blueprint.parameters, plans), profile)
            model = OnnxModel(
                spec=model_spec(config, version, blueprint.parameters, self._settings, sizing),
                config=config,
                inputs=inputs,
                outputs=outputs,
                batches=config.max_batch_size > 0,
                memory_bytes=facts.memory_bytes * len(plans),
                runners=tuple(runners),
            )
            if self._runners.isolated:
                # Its process is started again from these files, whatever becomes of the others.
                self._runners.keep(model, stack.pop_all(), folder)
            return Loaded(model, facts.notes)

    def _written(self, folder: Path, config_json: str | None, root: Path | None) -> WrittenConfig:
        if config_json is not None:
            return config_from_json(config_json)
        content = read_file(folder / CONFIG_NAME, self._settings.files.config_bytes_max, root)
        if content is None:
            return WrittenConfig(ModelConfig(), NOTHING_WRITTEN.fields)
        try:
            return config_from_text(content.decode())
        except UnicodeDecodeError:
            raise ModelRefused(f"{CONFIG_NAME} is not UTF-8 text") from None

    def _copy(self, blueprint: Blueprint, version: str, folder: Path) -> None:
        parts = [version]
        if blueprint.written.config.model_warmup and (blueprint.folder / "warmup").is_dir():
            parts.append("warmup")
        for part in parts:
            copy_version(
                blueprint.folder / part,
                folder / part,
                self._settings.files,
                self._stop,
                blueprint.root,
            )

    def _examine(
        self, blueprint: Blueprint, version: str, folder: Path, plan: SessionPlan
    ) -> ModelFacts:
        return self._trial_now().examine(
            Task(
                folder=folder,
                version=version,
                file_name=blueprint.file_name,
                written=blueprint.written,
                plan=plan,
                batch_max_default=self._settings.batch_max_default,
                run_s_max=blueprint.parameters.run_timeout_s or self._settings.trial.run_s_max,
                search_s=self._settings.trial.search_s,
                rows_s=self._settings.trial.rows_s,
                warm_up=blueprint.parameters.warm_up,
            )
        )

    def _open(self, path: Path, plan: SessionPlan) -> ort.InferenceSession:
        options = session_options(plan)
        with self._lock:
            self._opening = options
        try:
            if self._stop.is_set():
                raise ModelRefused(GIVEN_UP, passing=True)
            return open_session(path, plan, options)
        finally:
            with self._lock:
                self._opening = None

    def _warm(
        self,
        blueprint: Blueprint,
        config: ModelConfig,
        facts: ModelFacts,
        folder: Path,
        runners: Sequence[ModelRunner],
        plans: tuple[SessionPlan, ...],
    ) -> Profile:
        if not facts.sizes:
            # No first run succeeded: real calls will teach what it takes.
            return ()
        given, choices = self._rows(blueprint, config, facts, folder)
        compiled = padding_sizes(config, blueprint.parameters, plans)
        numbers = compiled or profile_rows(config.max_batch_size, len(facts.sizes))
        limits = ProfileLimits(
            budget_s=self._settings.profile_budget_s / len(runners),
            run_s_max=blueprint.parameters.run_timeout_s or self._settings.run_s_max,
        )
        profile: Profile = ()
        with Watchdog(self._stop) as watchdog:
            for runner in runners:
                profiler = Profiler(blueprint.name, runner.new_run, limits, watchdog, self._clock)
                for sample in given:
                    for _ in range(sample.count):
                        profiler.run([sample.inputs], sample.rows)
                cells, answers = profiler.runnable(*[cells_of(numbers, rows) for rows in choices])
                runner.settle(answers)
                profile += profiler.measure(cells)
        return profile

    def _rows(
        self, blueprint: Blueprint, config: ModelConfig, facts: ModelFacts, folder: Path
    ) -> tuple[list[samples.Sample], list[list[Mapping[str, Array]]]]:
        """The configuration's samples, and a row for each set of sizes to measure: of them, or made
        up, and then others for a model that takes no such numbers.
        """
        batches = config.max_batch_size > 0
        # Samples are rows of a batch: where rows were found not to share one, they do not fit.
        fit = batches or not may_batch(blueprint.written, facts)
        given = samples.from_config(config, folder) if fit else []
        sample = samples.one_row(given[0], batches=batches) if given else None
        generator = Generator(frames(config, facts.inputs), facts.values, batches, sample)
        made: list[Mapping[str, Array]] = [generator.row(sizes, 0) for sizes in facts.sizes]
        if sample is not None:
            return given, [[sample, *made[1:]]]
        return given, [made, [generator.constant(sizes) for sizes in facts.sizes]]

    def _synthetic(self, blueprint: Blueprint, version: str) -> Model:
        config = complete_synthetic(blueprint.written.config)
        labels = read_labels(config, blueprint.folder, self._settings.files, blueprint.root)
        inputs, outputs = tensor_specs(config, labels)
        model = SyntheticModel(config, inputs, outputs, blueprint.parameters)
        sizing = Sizing(
            instances=sum(group.count or 1 for group in config.instance_group) or 1,
            batch_sizes=padding_sizes(config, blueprint.parameters, ()),
            profile=model.profile(batch_buckets(max(1, config.max_batch_size))),
        )
        model.spec = model_spec(config, version, blueprint.parameters, self._settings, sizing)
        return model

    def _trial_now(self) -> Trial:
        with self._lock:
            return self._trial
