"""The scores that another audit gives a set, for the question `blind_spots`.

The arguments are PEER SYNTHETIC REFERENCE HOLDOUT. The last line of the output has the main scores as JSON; there is one more line for each further
SYNTHETIC. The script runs in the environment of that peer, which has no outcross; tables are Parquet files.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas


def sdmetrics(synthetic: pandas.DataFrame, reference: pandas.DataFrame, holdout: pandas.DataFrame) -> dict[str, float]:
    """Both reports that it has."""
    from sdmetrics.reports.single_table import DiagnosticReport, QualityReport

    columns = {name: {"sdtype": "numerical" if _is_number(reference[name]) else "categorical"} for name in reference}
    scores = {}
    for name, report in (("quality", QualityReport()), ("diagnostic", DiagnosticReport())):
        report.generate(reference, synthetic, {"columns": columns}, verbose=False)
        scores[name] = float(report.get_score())
    return scores


def sdmetrics_quality(synthetic: pandas.DataFrame, reference: pandas.DataFrame, holdout: pandas.DataFrame) -> dict[str, float]:
    """Its quality report alone."""
    from sdmetrics.reports.single_table import QualityReport

    columns = {name: {"sdtype": "numerical" if _is_number(reference[name]) else "categorical"} for name in reference}
    report = QualityReport()
    report.generate(reference, synthetic, {"columns": columns}, verbose=False)
    return {"quality": float(report.get_score())}


def evidently(synthetic: pandas.DataFrame, reference: pandas.DataFrame, holdout: pandas.DataFrame) -> dict[str, float]:
    """Its preset of drift, with its defaults: the share of columns that have drifted, and whether the set has (half of them)."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    stored = json.loads(Report([DataDriftPreset()]).run(synthetic, reference).json())
    (drifted,) = [
        metric["value"] for metric in stored["metrics"] if isinstance(metric["value"], dict) and "share" in metric["value"]
    ]
    return {"drifted columns": float(drifted["share"]), "dataset drift": float(drifted["share"] >= 0.5)}


def mostlyai_qa(synthetic: pandas.DataFrame, reference: pandas.DataFrame, holdout: pandas.DataFrame) -> dict[str, float]:
    """Its report, with its defaults."""
    from mostlyai import qa

    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        _, metrics = qa.report(syn_tgt_data=synthetic, trn_tgt_data=reference, hol_tgt_data=holdout, report_path=page)
    return {
        "accuracy": float(metrics.accuracy.overall),
        "discriminator AUC": float(metrics.similarity.discriminator_auc_training_synthetic),
    }


def syntheval(synthetic: pandas.DataFrame, reference: pandas.DataFrame, holdout: pandas.DataFrame) -> dict[str, float]:
    """Its metrics of columns and of pairs of columns; its pictures are not drawn."""
    from syntheval import SynthEval

    asked = {
        "dwm": {},
        "ks_test": {"sig_lvl": 0.05, "n_perms": 1000},
        "h_dist": {},
        "corr_diff": {"mixed_corr": True},
        "q_mse": {"num_quants": 10, "cat_mse": False},
    }
    judge = SynthEval(reference, holdout_dataframe=holdout, verbose=False, enable_plots=False, console="off", show_warnings=False)
    scores = judge.evaluate(synthetic, **asked)
    rows = scores.set_index("metric")["val"] if "metric" in scores else scores["val"]
    return {str(name): float(value) for name, value in rows.items() if str(name) in ("avg_qMSE", "ks_tvd_stat")}


def _is_number(values: pandas.Series) -> bool:
    return pandas.api.types.is_numeric_dtype(values)


PEERS: dict[str, Callable[..., dict[str, float]]] = {
    "sdmetrics": sdmetrics, "sdmetrics-quality": sdmetrics_quality, "mostlyai-qa": mostlyai_qa, "evidently": evidently, "syntheval": syntheval,
}  # fmt: skip


def main() -> None:
    peer, *paths = sys.argv[1:]
    first, reference, holdout, *others = (pandas.read_parquet(path) for path in paths)
    for synthetic in (first, *others):
        try:
            scores = PEERS[peer](synthetic, reference, holdout)
        except Exception as why:  # that a set breaks a report is a result, too
            scores = {"error": f"{type(why).__name__}: {why}"[:200]}
        print(json.dumps(scores), flush=True)


if __name__ == "__main__":
    main()
