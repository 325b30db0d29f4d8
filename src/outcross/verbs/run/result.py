"""Run: an experiment in progress or finished, and the contents of its folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross import own_parts
from outcross.collapse.slopes import Slope
from outcross.collapse.stopping import GUARANTEE, Stop
from outcross.data import HUMAN_PARTS, Made, Training
from outcross.data.records import load_records
from outcross.data.selected import JudgedCandidates
from outcross.errors import BadInput, GateFailed
from outcross.experiment.arms import Arm, arms, resolved
from outcross.experiment.teachers import teacher_lines
from outcross.files.outputs import check_page
from outcross.ledger import Ledger
from outcross.ledger.lineage import Ancestor
from outcross.models.vae import Vae
from outcross.runtime import Where, on_device
from outcross.runtime.threads import loaded_libraries, one_thread_each
from outcross.sources.images import Images
from outcross.verbs.results import WIDTH, Result
from outcross.verbs.run.following import LIVE, Following, LivePage
from outcross.verbs.run.of_users import said_of
from outcross.verbs.run.tables import Ended, Tables, again, pooled_over_seeds
from outcross.verbs.run.tracking import Tracking
from outcross.verbs.run.work import ArmGeneration, ArmStopped, Runner, UnderWay, fill, generations

if TYPE_CHECKING:
    from outcross.report.figure import Figure
    from outcross.verbs.audit.result import Audits
    from outcross.verbs.run.written import Ancestry


@dataclass(eq=False, repr=False)
class Run(Result):
    """A run of an experiment, in memory or in a folder.

    Iterating does the work, arm by arm, and yields each generation as it ends. Steps that the folder holds are loaded. `finish` does the
    remaining work. The readings, profile, slopes and the other results cover the generations that have ended so far.
    """

    arms: tuple[Arm, ...]
    """Every arm with every seed, in the order of the experiment."""
    folder: Path | None
    """Folder of the run. None if the run is in memory."""
    tables: Tables
    """Tables of what the ledger holds now."""
    reuse: Path | None = None
    """Folder of an older run whose finished steps are reused (for a fork)."""
    where: Where = field(default_factory=Where)
    """Where `finish` does the work. Iterating always works in this process."""
    device: str = "cpu"
    track: tuple[str, ...] = ()
    """Trackers that log the run (see `outcross list targets`). Each writes a folder beside that of the run: runs/mine-mlflow for runs/mine."""

    def __iter__(self) -> Iterator[ArmGeneration]:
        runner = Runner(self.folder, self.reuse)
        if self.folder is None:
            runner.ledger = self.ledger
        libraries = loaded_libraries()
        with closing(generations(self.folder, self.arms, runner, self._following())) as working:
            while True:
                with on_device(self.device), one_thread_each(libraries):
                    generation = next(working, None)
                self.tables = Tables(self.arms, runner.ledger)
                if generation is None:
                    return
                yield generation

    def finish(self, watch: Callable[[Ended | UnderWay | ArmStopped], None] = lambda event: None, live: bool = False) -> Run:
        """Do the remaining work with the workers of the run, and return the run. The folder then holds the same files that the command writes, with report.html.

        `watch` is called with every step and with every generation that has ended. With `live`, the page of the run (`page`) is written again as
        generations end, and a browser that shows it reloads it. Drawing takes at most 4 % of the time of the run.
        """
        if self.folder is None:
            for _ in self:
                pass
            return self
        page = self.folder / "report.html"
        check_page(page)  # before the work, not after it
        with on_device(self.device), one_thread_each():
            runner = Runner(self.folder, self.reuse, self.where != Where() and self.arms[0].experiment.store == "all")
            self.tables = fill(self.folder, self.arms, runner, self.where, watch, self._following(live))
        self.report(page)
        return self

    def _following(self, live: bool = False) -> Following:
        """Return the trackers and the live page of the run. Raises BadInput if the folder of a tracker holds something else."""
        if self.folder is None or not (self.track or live):
            return Following()
        folder, page = self.folder, self.folder / "report.html"
        return Following(
            Tracking(self.arms, folder, self.track) if self.track else None,
            LivePage(page, lambda path: self._so_far(folder).report(path, live=True)) if live else None,
            lambda path: self._so_far(folder).report(path),
        )

    def _so_far(self, folder: Path) -> Run:
        """Return the run as its folder records it now."""
        return Run(self.arms, folder, Tables(self.arms, Ledger(folder)))

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return self.tables.name

    @property
    def experiment(self) -> dict[str, Any]:
        """The experiment as plain data with every default. `outcross.run` accepts it."""
        return resolved(self.arms)

    @property
    def environment(self) -> Mapping[str, Any]:
        """The machine and the versions of the software when the run began. Empty before it has begun."""
        return {} if self.ledger.run is None else self.ledger.run.environment

    @property
    def ledger(self) -> Ledger:
        """The ledger, which holds every finished step."""
        return self.tables.ledger

    @property
    def readings(self) -> Any:
        """The readings as a polars frame with one row per reading.

        The columns are run, arm, one for every setting in which the arms differ, seed, generation, measure, at, column, group, value, low, high,
        method, n, null, null_low, null_high, floor, p and note. Raises BadInput if no generation has ended.
        """
        return self.tables.readings

    @property
    def samples(self) -> Any:
        """The samples as a polars frame with one row per sample, a text that the model of a generation wrote after one of the first prompts."""
        return self.tables.samples

    @property
    def pictures(self) -> Any:
        """The pictures as a polars frame.

        Each row holds the pictures of a generation, drawn from the same latents in every generation.
        Generation 0 has another row with as many human pictures. The frame is empty if there are no pictures.
        """
        return self.tables.pictures

    @property
    def profile(self) -> Any:
        """The eight definitions of collapse for every arm, as a polars frame with one row per answer."""
        return self.tables.profile

    @property
    def laws(self) -> Any:
        """The values of the closed forms that apply, as a polars frame (arm, measure, generation, value). None if there are none."""
        return self.tables.laws

    @property
    def slopes(self) -> tuple[Slope, ...]:
        """Slopes of the speed of collapse against the numeric settings in which the arms differ."""
        return self.tables.slopes

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes to read before the numbers: those of the experiment, the user's own parts, and the sizes of networks of pictures."""
        sentences = [note for arm in self.arms for note in arm.experiment.notes]
        sentences += [said_of(name, facts) for name, facts in (self.ledger.run.own if self.ledger.run is not None else {}).items()]
        return tuple(dict.fromkeys([*sentences, *self.of_networks]))

    @property
    def of_teachers(self) -> tuple[str, ...]:
        """What the teachers of each arm learn with, write and read. Empty if no arm has teachers."""
        teachers_of = {arm.name: arm.experiment.teachers for arm in self.arms if arm.experiment.teachers}
        return tuple(f"Teachers of {arm}: {'; '.join(teacher_lines(teachers))}." for arm, teachers in teachers_of.items())

    @property
    def of_networks(self) -> tuple[str, ...]:
        """Sentences about networks of pictures: the number of parameters (known after the first generation), and whether the pictures replace others."""
        sentences: list[str] = []
        for arm in self.arms:
            learner, human = arm.experiment.learner, arm.experiment.human
            if not isinstance(learner, Vae):
                continue
            for height, width in self.pictures.select("height", "width").unique(maintain_order=True).rows():
                sentences.append(f"The network has {learner.numbers(height, width):,} parameters at {height} by {width} pixels.")
            if isinstance(human, Images) and human.path is None:
                sentences.append(
                    "The digits of scikit-learn are used in place of other pictures, so no number here is comparable with a published one."
                )
        return tuple(dict.fromkeys(sentences))

    @property
    def unfinished(self) -> str:
        """A sentence about the progress of a run that has not ended. Empty if it has ended."""
        return self.tables.unfinished

    @property
    def stops(self) -> tuple[Stop, ...]:
        """Why arms stopped early: for each arm with each seed, the first reading whose confidence limit is beyond its bound in `stop_when`."""
        return self.tables.stops

    @property
    def early_warning(self) -> list[dict[str, Any]]:
        """How many generations an early signal moves before held-out loss rises: for each arm the answer, the lead with its interval, and a note."""
        from outcross.collapse.definitions.early_warning import WARNING

        rows = self.profile.filter(self.profile["definition"] == WARNING)
        return rows.select("arm", "answer", "value", "low", "high", "when", "note").to_dicts()

    @property
    def said_of_stops(self) -> tuple[str, ...]:
        """Sentences about what stopped each arm and what the rule guarantees. Empty if the experiment has no bound."""
        if not any(arm.experiment.stop_when for arm in self.arms):
            return ()
        return (*(map(str, self.stops) if self.stops else ["No reading was surely beyond its bound."]), GUARANTEE)

    def check_stops(self) -> None:
        """Raise GateFailed (exit code 1) if an arm has stopped because a reading is beyond its bound."""
        if stops := [str(stop) for stop in self.stops]:
            more = f" {len(stops) - 1} more have stopped." if len(stops) > 1 else ""
            raise GateFailed(f"{stops[0]}{more} {self.unfinished}".strip())

    def drawn(self, arm: str, seed: int, generation: int) -> Any:
        """Return the records that the model of a generation wrote. Raises BadInput if the run stored none."""
        return load_records(self.kept(self.steps_of(arm, seed, generation)["drawn"]))

    def chosen(self, arm: str, seed: int, generation: int) -> Any:
        """Return the records of a generation that its filters kept, or all drawn records if there are no filters.

        Raises BadInput if the run stored none.
        """
        steps = self.steps_of(arm, seed, generation)
        return load_records(self.kept(steps.get("kept", steps["drawn"])))

    def judged(self, arm: str, seed: int, generation: int) -> JudgedCandidates:
        """Return the decision of a generation's filters about every drawn record: how often it is kept, the reason and the values.

        Raises BadInput if there are no filters.
        """
        steps = self.steps_of(arm, seed, generation)
        if "kept" not in steps:
            raise BadInput(f"{self.name} has no filters in arm {arm!r:.80}, so no record was judged; add select to the experiment")
        return JudgedCandidates.load(self.kept(steps["kept"]))

    def training(self, arm: str, seed: int, generation: int, teacher: str | None = None) -> Training:
        """Return the training set of the model of a generation, or of one of several teachers. Its records are loaded when they are first used.

        Raises BadInput if the run stored none, or if it has teachers and `teacher` does not name one of them.
        """
        steps = self.steps_of(arm, seed, generation)
        teachers = [name.removeprefix("training-") for name in steps if name.startswith("training-")]
        if (teacher is None and teachers) or teacher not in (None, *teachers):
            raise BadInput(
                f"arm {arm} has several teachers, {', '.join(teachers)[:200]}; name one of them, for example teacher={teachers[0]!r}"
                if teachers
                else f"arm {arm} has no teacher {teacher!r:.80}, because it has a single model; leave teacher out"
            )
        key = steps["training" if teacher is None else f"training-{teacher}"]
        return Training.load(
            self.kept(key),
            {
                training_input.digest: training_input
                for step in self.ledger.lineage(key)
                for training_input in self._inputs_of(step)
            },
        )

    def _inputs_of(self, step: Ancestor) -> Iterator[Made[Any]]:
        """Yield the outputs of a step to which training sets may refer: its records, or the parts of the human data."""
        size = self.ledger.entries[step.key].size
        if step.verb != "gather":
            yield Made(step.output, size, lambda: load_records(self.kept(step.key)), step.key)
            return
        for name in HUMAN_PARTS:
            yield Made(f"{step.output}/{name}", size, lambda name=name: load_records(self.kept(step.key) / name), step.key)

    def kept(self, key: str) -> Path:
        """Return the folder with the output of a step. Raises BadInput if the output was not kept, or if it was changed."""
        if self.folder is None:
            raise BadInput("a run in memory keeps no records; run it into a folder with out=, and with store: all")
        entry = self.ledger.whole(key)
        if entry is None or not entry.files:
            raise BadInput(f"{self.folder} has lost step {key[:12]}; run the experiment again, finished steps are kept")
        return self.folder / "steps" / key

    def frame(self, *, pooled: bool = False) -> Any:
        """Return the readings as a polars frame with one row per reading, and a column for every setting in which the arms differ, named by its key.

        With `pooled`, the seeds of an arm share one row: their mean with a 95 % t-interval over the seeds, and the number of seeds. Raises BadInput
        if no generation has ended.
        """
        return pooled_over_seeds(self.readings) if pooled else self.readings

    def texts(self, arm: str | None = None, seed: int | None = None, generation: int | None = None) -> Any:
        """Return the texts that the models wrote, all or those of one arm, seed or generation, as a polars frame with one row per text.

        The columns are id, arm, one for every setting in which the arms differ, seed, generation, row, prompt and text. Raises BadInput if the run
        keeps no texts.
        """
        from outcross.verbs.run.written import texts_frame

        return texts_frame(self, arm, seed, generation)

    def lineage(self, id: str) -> Ancestry:
        """Return the lineage of a text (arm/seed-0/g02/17, its id in `texts()`) or of a whole generation (arm/seed-0/g02).

        The lineage leads from the model that wrote the text over its training set and the earlier models back to the human files. Every step has
        its key, the digest of its output, the keys of the steps that it read, and the digests of the human data that it read.
        """
        from outcross.verbs.run.written import lineage_of

        return lineage_of(self, id)

    def plot(self, measure: str = "", *, by: str = "", against: str = "", at: str = "") -> Figure:
        """Return a figure of a measure over the generations, with one line per arm or per level of the setting `by`.

        Without `measure`, it is the first measure of the report. `by` is a key of the experiment (`policy.share`), the end of a key (`share`), or a
        part whose amount differs between the arms (`human_share`). With `against`, the horizontal axis is that setting, and each arm is drawn with
        its last value. Raises BadInput, with the nearest known name, for an unknown measure, place or setting.
        """
        from outcross.report.plots import plot, plot_against
        from outcross.verbs.run.page import study

        if against and by:
            raise BadInput("a figure is drawn over the generations (by=) or against a setting (against=), not both; leave one out")
        shown = study(self)
        return plot_against(shown, against, measure, at=at) if against else plot(shown, measure, by=by, at=at)

    def figures(self) -> tuple[Figure, ...]:
        """Return every figure of the report."""
        from outcross.report.plots import figures
        from outcross.verbs.run.page import study

        return tuple(figures(study(self)))

    def steps_of(self, arm: str, seed: int, generation: int) -> Mapping[str, str]:
        """Return the keys of the steps of a generation, by the name of the step's role. Raises BadInput if this generation has not ended."""
        ended = next(
            (entry for entry in self.tables.ended if (entry.arm, entry.seed, entry.generation) == (arm, seed, generation)), None
        )
        if ended is None:
            arms = ", ".join(dict.fromkeys(entry.arm for entry in self.tables.ended)) or "no arm"
            raise BadInput(
                f"generation {generation} of arm {arm!r:.80} with seed {seed} has not ended; arms with finished generations: {arms:.200}"
            )
        return ended.steps

    @property
    def audits(self) -> Mapping[Path, Audits]:
        """The audits that are stored in the folder of the run, and in folders beside it whose names begin with its name, by their folder."""
        from outcross.verbs.audit.stored import stored

        if self.folder is None:
            return {}
        beside = (
            path for path in self.folder.absolute().parent.iterdir() if path.name.startswith(f"{self.folder.absolute().name}-")
        )
        below = (path for path in self.folder.iterdir() if path.name not in ("steps", "arms"))
        nested = [path for path in (*below, *beside) if path.is_dir() and not path.is_symlink()]
        places = sorted({self.folder, *nested, *(path.parent for folder in nested for path in folder.glob("*/audit.json"))})
        return {place: stored_audits for place in places if (stored_audits := stored(place)) is not None}

    @property
    def page(self) -> Path | None:
        """Path of the report, whether or not it has been written. None for a run in memory."""
        return None if self.folder is None else self.folder / "report.html"

    def report(self, path: str | Path | None = None, *, live: bool = False) -> Path:
        """Write the report as one HTML file that opens offline, to `path` or to report.html in the folder of the run. Returns the path.

        With `live`, a browser that shows the report reloads it every 20 seconds.
        """
        from outcross.verbs.run.page import write_runs

        page = self.page if path is None else Path(path)
        if page is None:
            raise BadInput("a run in memory has no folder for its report; name a file, for example report('run.html')")
        return write_runs([self], page, LIVE if live else b"")

    def plain(self) -> dict[str, Any]:
        """Return the run as plain data: its experiment, readings, stops, early warnings and slopes."""
        return {
            "schema": 1,
            "run": None if self.folder is None else str(self.folder),
            "finished": not self.unfinished,
            "stops": [asdict(stop) for stop in self.stops],
            "early_warning": self.early_warning,
            "experiment": self.experiment,
            "readings": self.readings.to_dicts(),
            "slopes": [slope.plain() for slope in self.slopes],
            "report": None if self.page is None or not self.page.is_file() else str(self.page),
        }

    @property
    def short(self) -> str:
        """One to three lines: the size and progress of the run, and the first sentence of its report."""
        from outcross.verbs.run.page import short

        return short(self)

    def lines(self, width: int = WIDTH) -> Iterator[str]:
        """Yield the lines for a terminal: the last generation of every arm, with its seeds pooled. Raises BadInput if no generation has ended."""
        from outcross.verbs.run.screen import run_lines

        return run_lines(self, width)

    def _repr_html_(self) -> str:
        from outcross.verbs.run.page import fragment

        return fragment(self)


def opened(folder: str | Path) -> Run:
    """Open the folder of a run. Raises BadInput if the folder holds no run, or if its ledger is damaged.

    A run that is still running or was killed shows what it has recorded so far.
    """
    folder = Path(folder)
    if not os.path.lexists(folder):
        raise BadInput(f"there is no folder {folder}; check the path, or make a run with `outcross run SPEC --out {folder}`")
    if not (folder / "ledger.jsonl").is_file():
        raise BadInput(f"{folder} holds no ledger.jsonl; give the folder of a run, which `outcross run SPEC --out DIR` makes")
    ledger = Ledger(folder)
    if ledger.damaged:
        raise BadInput(f"{ledger.path} is damaged at line {ledger.damaged}; {again(folder)}")
    if ledger.run is None:
        raise BadInput(f"{ledger.path} does not say which experiment was run; {again(folder)}")
    if ledger.run.lines not in (None, len(ledger.lines) - 1):
        raise BadInput(
            f"{ledger.path} has {len(ledger.lines) - 1} of the {ledger.run.lines} lines of a finished run; {again(folder)}"
        )
    with own_parts.unimported(ledger.run.own):
        recorded_arms = arms(ledger.run.experiment)
    return Run(recorded_arms, folder, Tables(recorded_arms, ledger))
