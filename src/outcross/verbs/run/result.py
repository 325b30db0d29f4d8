"""Run: an experiment as it is done, and all that its folder holds."""

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
    """An experiment as it is done: in memory, or into a folder.

    Iterating does the work, arm by arm, and yields each generation as it ends; what the folder holds is loaded. `finish` does the rest.
    The readings, profile, slopes and the other results are those of the generations that have ended so far.
    """

    arms: tuple[Arm, ...]
    """Every arm with every seed, in the order of the experiment."""
    folder: Path | None
    """None where the run is in memory."""
    tables: Tables
    """What the ledger says now."""
    reuse: Path | None = None
    """An older run whose finished steps are taken over (a fork)."""
    where: Where = field(default_factory=Where)
    """Where `finish` does the work. Iterating does it in this process."""
    device: str = "cpu"
    track: tuple[str, ...] = ()
    """Trackers that follow it (`outcross list targets`), each in a folder beside that of the run: runs/mine-mlflow for runs/mine."""

    def __iter__(self) -> Iterator[ArmGeneration]:
        runner = Runner(self.folder, self.reuse)
        if self.folder is None:
            runner.ledger = self.ledger
        with closing(generations(self.folder, self.arms, runner, self._following())) as working:
            while True:
                with on_device(self.device):
                    generation = next(working, None)
                self.tables = Tables(self.arms, runner.ledger)
                if generation is None:
                    return
                yield generation

    def finish(self, watch: Callable[[Ended | UnderWay | ArmStopped], None] = lambda event: None, live: bool = False) -> Run:
        """Do what is left of the work, with as many workers as the run was given, and return the run. A folder then holds what the command leaves
        there, report.html included.

        `watch` is told of every step and of every generation as it ends. With `live`, the page of the run (`page`) is written again as generations end,
        and a browser that shows it loads it again by itself; drawing takes at most 4 % of the time of the run.
        """
        if self.folder is None:
            for _ in self:
                pass
            return self
        page = self.folder / "report.html"
        check_page(page)  # before the work, not after it
        with on_device(self.device):
            runner = Runner(self.folder, self.reuse, self.where != Where() and self.arms[0].experiment.store == "all")
            self.tables = fill(self.folder, self.arms, runner, self.where, watch, self._following(live))
        self.report(page)
        return self

    def _following(self, live: bool = False) -> Following:
        """The trackers and the page that follow the run while it goes on. BadInput where a tracker may not write."""
        if self.folder is None or not (self.track or live):
            return Following()
        folder, page = self.folder, self.folder / "report.html"
        return Following(
            Tracking(self.arms, folder, self.track) if self.track else None,
            LivePage(page, lambda path: self._so_far(folder).report(path, live=True)) if live else None,
            lambda path: self._so_far(folder).report(path),
        )

    def _so_far(self, folder: Path) -> Run:
        """The run as its folder holds it by now."""
        return Run(self.arms, folder, Tables(self.arms, Ledger(folder)))

    @property
    def name(self) -> str:
        """The experiment's."""
        return self.tables.name

    @property
    def experiment(self) -> dict[str, Any]:
        """The experiment as plain data, every default written out; `outcross.run` takes it."""
        return resolved(self.arms)

    @property
    def environment(self) -> Mapping[str, Any]:
        """The machine and the versions that the run was begun with; empty before it has begun."""
        return {} if self.ledger.run is None else self.ledger.run.environment

    @property
    def ledger(self) -> Ledger:
        """Every step that has been done."""
        return self.tables.ledger

    @property
    def readings(self) -> Any:
        """A polars frame with a row a reading: run, arm, a column for every setting in which the arms differ, seed, generation, metric,
        value, low, high, method, n, note. BadInput where no generation has ended."""
        return self.tables.readings

    @property
    def samples(self) -> Any:
        """A polars frame with a row a sample: what the model of a generation wrote after one of the first prompts."""
        return self.tables.samples

    @property
    def pictures(self) -> Any:
        """A polars frame with a row for the pictures that a generation shows, of the same latents as every other; empty where none are written."""
        return self.tables.pictures

    @property
    def profile(self) -> Any:
        """A polars frame with a row an answer: the eight definitions of collapse for every arm."""
        return self.tables.profile

    @property
    def laws(self) -> Any:
        """A polars frame of the closed forms that apply (arm, metric, generation, value); None where there are none."""
        return self.tables.laws

    @property
    def slopes(self) -> tuple[Slope, ...]:
        """How fast the arms collapse, against the numbers in which they differ."""
        return self.tables.slopes

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know before the numbers: as the experiment says it, and of the networks that learn pictures."""
        sentences = [note for arm in self.arms for note in arm.experiment.notes]
        sentences += [said_of(name, facts) for name, facts in (self.ledger.run.own if self.ledger.run is not None else {}).items()]
        return tuple(dict.fromkeys([*sentences, *self.of_networks]))

    @property
    def of_teachers(self) -> tuple[str, ...]:
        """What the teachers of each arm learn with, write and read; empty where there are none."""
        teachers_of = {arm.name: arm.experiment.teachers for arm in self.arms if arm.experiment.teachers}
        return tuple(f"Teachers of {arm}: {'; '.join(teacher_lines(teachers))}." for arm, teachers in teachers_of.items())

    @property
    def of_networks(self) -> tuple[str, ...]:
        """How many numbers the networks of pictures learn, once a generation has ended, and whether the pictures stand in for others."""
        sentences: list[str] = []
        for arm in self.arms:
            learner, human = arm.experiment.learner, arm.experiment.human
            if not isinstance(learner, Vae):
                continue
            for height, width in self.pictures.select("height", "width").unique(maintain_order=True).rows():
                sentences.append(f"The network learns {learner.numbers(height, width):,} numbers at {height} by {width} pixels.")
            if isinstance(human, Images) and human.path is None:
                sentences.append(
                    "The digits of scikit-learn stand in for other pictures: no number of theirs compares with a published one."
                )
        return tuple(dict.fromkeys(sentences))

    @property
    def unfinished(self) -> str:
        """How far a run is that has not ended; empty where it has."""
        return self.tables.unfinished

    @property
    def stops(self) -> tuple[Stop, ...]:
        """Why arms stopped before their last generation: for each arm with each seed the first reading that is surely beyond its bound in `stop_when`."""
        return self.tables.stops

    @property
    def early_warning(self) -> list[dict[str, Any]]:
        """How long before held-out loss rises an early signal moves: for each arm the answer, the lead in generations with its interval, and the note."""
        from outcross.collapse.definitions.early_warning import WARNING

        rows = self.profile.filter(self.profile["definition"] == WARNING)
        return rows.select("arm", "answer", "value", "low", "high", "when", "note").to_dicts()

    @property
    def said_of_stops(self) -> tuple[str, ...]:
        """What stopped each arm, in sentences, and what the rule promises; nothing where no bound was given."""
        if not any(arm.experiment.stop_when for arm in self.arms):
            return ()
        return (*(map(str, self.stops) if self.stops else ["No reading was surely beyond its bound."]), GUARANTEE)

    def check_stops(self) -> None:
        """Raise GateFailed, with exit code 1, where an arm has stopped because a reading is beyond its bound."""
        if stops := [str(stop) for stop in self.stops]:
            more = f" {len(stops) - 1} more have stopped." if len(stops) > 1 else ""
            raise GateFailed(f"{stops[0]}{more} {self.unfinished}".strip())

    def drawn(self, arm: str, seed: int, generation: int) -> Any:
        """The records that the model of a generation wrote. BadInput where the run stored none."""
        return load_records(self.kept(self.steps_of(arm, seed, generation)["drawn"]))

    def chosen(self, arm: str, seed: int, generation: int) -> Any:
        """The records of a generation that its filters kept, all that were drawn where it has none. BadInput where the run stored none."""
        steps = self.steps_of(arm, seed, generation)
        return load_records(self.kept(steps.get("kept", steps["drawn"])))

    def judged(self, arm: str, seed: int, generation: int) -> JudgedCandidates:
        """What the filters of a generation said of every drawn record: how often it is kept, the reason, the numbers. BadInput where it has none."""
        steps = self.steps_of(arm, seed, generation)
        if "kept" not in steps:
            raise BadInput(
                f"{self.name} selects nothing in arm {arm!r:.80}, so that no record was judged; write select in the experiment"
            )
        return JudgedCandidates.load(self.kept(steps["kept"]))

    def training(self, arm: str, seed: int, generation: int, teacher: str | None = None) -> Training:
        """What the model of a generation, or of one of several teachers, learned from: whose records, and which. They load when touched.

        BadInput where the run stored none, or where it has teachers and none is named.
        """
        steps = self.steps_of(arm, seed, generation)
        teachers = [name.removeprefix("training-") for name in steps if name.startswith("training-")]
        if (teacher is None and teachers) or teacher not in (None, *teachers):
            raise BadInput(
                f"arm {arm} has the teachers {', '.join(teachers)[:200]}; name one of them, as in teacher={teachers[0]!r}"
                if teachers
                else f"arm {arm} has no teacher {teacher!r:.80}: it has one model; leave teacher out"
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
        """What training sets may refer to of what a step made: its records, or the parts of the human data."""
        size = self.ledger.entries[step.key].size
        if step.verb != "gather":
            yield Made(step.output, size, lambda: load_records(self.kept(step.key)), step.key)
            return
        for name in HUMAN_PARTS:
            yield Made(f"{step.output}/{name}", size, lambda name=name: load_records(self.kept(step.key) / name), step.key)

    def kept(self, key: str) -> Path:
        """The folder of what a step made; BadInput where it is not kept, or not as it was."""
        if self.folder is None:
            raise BadInput("a run in memory keeps no records; run it into a folder with out=, and with store: all")
        entry = self.ledger.whole(key)
        if entry is None or not entry.files:
            raise BadInput(f"{self.folder} has lost step {key[:12]}; run the experiment again, finished steps are kept")
        return self.folder / "steps" / key

    def frame(self, *, pooled: bool = False) -> Any:
        """The readings, a row each (polars), with a column for every setting in which the arms differ, by its key in an experiment file.

        `pooled` gives one row for all seeds of an arm: their mean with a 95 % t-interval over the seeds, and how many seeds it is of. BadInput
        where no generation has ended.
        """
        return pooled_over_seeds(self.readings) if pooled else self.readings

    def texts(self, arm: str | None = None, seed: int | None = None, generation: int | None = None) -> Any:
        """Every text that the models wrote, or those of one arm, seed or generation (polars): id, arm, the settings in which the arms differ, seed,
        generation, row, prompt, text. BadInput where the run keeps no texts."""
        from outcross.verbs.run.written import texts_frame

        return texts_frame(self, arm, seed, generation)

    def lineage(self, id: str) -> Ancestry:
        """Where a text comes from, by its id in `texts()` (arm/seed-0/g02/17), or all of a generation (arm/seed-0/g02): back over the model that
        wrote it, its training set and the models before it to the human files.

        Every step has its key, the digest of what it made, the keys of the steps that it read, and the digests of what people gave.
        """
        from outcross.verbs.run.written import lineage_of

        return lineage_of(self, id)

    def plot(self, measure: str = "", *, by: str = "", against: str = "", at: str = "") -> Figure:
        """A reading over the generations as a figure: a line an arm, or a line a level of the setting `by`; what the report leads with if left out.

        `by` is a key of the experiment (`policy.share`), the end of one (`share`), or a part that arms differ in the dose of (`human_share`). With
        `against` the setting lies across, and each arm stands where it ends. BadInput names the nearest reading, place or setting.
        """
        from outcross.report.plots import plot, plot_against
        from outcross.verbs.run.page import study

        if against and by:
            raise BadInput("a figure is drawn by a setting over the generations, or against one; give by= or against=")
        shown = study(self)
        return plot_against(shown, against, measure, at=at) if against else plot(shown, measure, by=by, at=at)

    def figures(self) -> tuple[Figure, ...]:
        """Every figure of the report, each by itself."""
        from outcross.report.plots import figures
        from outcross.verbs.run.page import study

        return tuple(figures(study(self)))

    def steps_of(self, arm: str, seed: int, generation: int) -> Mapping[str, str]:
        """The keys of the steps of a generation; BadInput where none such has ended."""
        ended = next(
            (entry for entry in self.tables.ended if (entry.arm, entry.seed, entry.generation) == (arm, seed, generation)), None
        )
        if ended is None:
            arms = ", ".join(dict.fromkeys(entry.arm for entry in self.tables.ended)) or "no arm"
            raise BadInput(
                f"no generation {generation} of arm {arm!r:.80} with seed {seed} has ended; generations of {arms:.200} have"
            )
        return ended.steps

    @property
    def audits(self) -> Mapping[Path, Audits]:
        """The audits that are stored in the run's folder, and in folders beside it whose names begin with its own, by their folder."""
        from outcross.verbs.audit.result import stored

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
        """Where the report of a run in a folder is, or would be."""
        return None if self.folder is None else self.folder / "report.html"

    def report(self, path: str | Path | None = None, *, live: bool = False) -> Path:
        """Write the run as one HTML file that opens offline: report.html in its folder, or the path. Returns the path.

        With `live`, a browser that shows it loads it again every 20 seconds.
        """
        from outcross.verbs.run.page import write_runs

        page = self.page if path is None else Path(path)
        if page is None:
            raise BadInput("a run in memory has no folder for its report; name a file, as in report('run.html')")
        return write_runs([self], page, LIVE if live else b"")

    def plain(self) -> dict[str, Any]:
        """The run as plain data: its experiment, its readings, and how fast its arms collapse against what they differ in."""
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
        """How far it is, and what its report opens with."""
        from outcross.verbs.run.page import short

        return short(self)

    def lines(self, width: int = WIDTH) -> Iterator[str]:
        """What a terminal shows: the last generation of every arm, its seeds pooled. BadInput where no generation has ended."""
        from outcross.verbs.run.screen import run_lines

        return run_lines(self, width)

    def _repr_html_(self) -> str:
        from outcross.verbs.run.page import fragment

        return fragment(self)


def opened(folder: str | Path) -> Run:
    """What a run folder holds; BadInput where the folder is no run, or where the ledger is damaged.

    A run that is under way, or that was killed, shows what it has recorded so far.
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
        raise BadInput(f"{ledger.path} does not say which experiment it is of; {again(folder)}")
    if ledger.run.lines not in (None, len(ledger.lines) - 1):
        raise BadInput(
            f"{ledger.path} has {len(ledger.lines) - 1} of the {ledger.run.lines} lines of a finished run; {again(folder)}"
        )
    with own_parts.unimported(ledger.run.own):
        recorded_arms = arms(ledger.run.experiment)
    return Run(recorded_arms, folder, Tables(recorded_arms, ledger))
