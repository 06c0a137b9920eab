"""Importances of a search, by Optuna, kept beside its records: the reading side never loads Optuna."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import optuna
from optuna.exceptions import OptunaError
from optuna.importance import BaseImportanceEvaluator, FanovaImportanceEvaluator, PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState

from lab.records.store import Store
from lab.run.optuna_sampling import Sampling
from lab.spec.design import Score

LEAST_SETTINGS = 4
"""Finished settings from which an importance says anything."""
SEED = 0
METHODS: Mapping[str, Callable[[], BaseImportanceEvaluator]] = {
    "PED-ANOVA": PedAnovaImportanceEvaluator,
    "fANOVA": lambda: FanovaImportanceEvaluator(seed=SEED),
}


def keep_importances(store: Store, study: str, sampling: Sampling, *, warn: Callable[[str], None]) -> None:
    """Work out what a search's settings say of its factors, and write it beside the records."""
    try:
        told = importances_of(sampling.study, sampling.sought.scores)
    except OptunaError as error:
        warn(f"the importances of the search are not kept: {type(error).__name__}: {error}")
        return
    if told:
        store.write_beside(study, "importances", {"study": study, "importances": told})


def importances_of(study: optuna.Study, scores: Sequence[Score]) -> list[dict[str, object]]:
    """One entry an objective and method; a method that cannot say anything of these settings is left out."""
    settings = len(_finished(study))
    told: list[dict[str, object]] = []
    for number, score in enumerate(scores):
        for method, evaluator in METHODS.items():
            shares = _shares(study, evaluator(), number, -1 if score.goal == "max" else 1)
            if shares:
                told.append({"score": score.name, "method": method, "settings": settings, "shares": shares})
    return told


def _shares(study: optuna.Study, evaluator: BaseImportanceEvaluator, objective: int, sign: int) -> dict[str, float]:
    """Shares of factors that every finished setting has; a conditional one is known of some settings only.

    PED-ANOVA takes the lowest values for the best ones whenever it is handed them, hence the sign.
    """
    finished = _finished(study)
    common = set.intersection(*(set(trial.params) for trial in finished)) if finished else set()
    varied = [name for name in sorted(common) if len({repr(trial.params[name]) for trial in finished}) > 1]
    values = {trial.values[objective] for trial in finished}
    if len(finished) < LEAST_SETTINGS or not varied or len(values) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            shares = optuna.importance.get_param_importances(
                study, evaluator=evaluator, params=varied, target=lambda trial: sign * trial.values[objective]
            )
        except (ValueError, RuntimeError, ZeroDivisionError):
            return {}
    total = sum(shares.values())
    return {name: float(share / total) for name, share in shares.items()} if total > 0 else {}


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state == TrialState.COMPLETE]
