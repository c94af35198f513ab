"""The deployments that a person starts, or `shiftmix serve` at its start: no schedule is theirs."""

from __future__ import annotations

from typing import Any

from prefect import Flow
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.types.entrypoint import EntrypointType

from flows.backfill import backfill, catch_up
from flows.deployments import DAY, deployment_name, names_of_shifts, with_form
from flows.render_reports import render_reports
from qc.plant import Plant
from qc.wording import plural

# Two backfills at once would do the same shifts twice, and out of order: the second one waits.
ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE)


def upkeep_deployments(plant: Plant) -> list[RunnerDeployment]:
    """The deployments `backfill`, `catch-up` and `render-reports` of a plant, with their forms."""
    shift = names_of_shifts(plant)
    days = plural(plant.operation.catch_up_days, "day")
    filling = _deployed(
        backfill,
        plant,
        f"Inspects the shifts of {plant.name} from one day to another, oldest first, where they "
        "are not published already for the same readings and configuration.",
    )
    missed = _deployed(
        catch_up,
        plant,
        f"Inspects the shifts of the last {days} that nobody inspected, once each; started by "
        "itself where shiftmix serve begins and finds some.",
    )
    pages = _deployed(
        render_reports,
        plant,
        f"Makes the pages of published shifts of {plant.name} again; nothing is inspected.",
    )
    with_form(filling, plant, first=DAY, last=DAY, shift=shift)
    filling._parameter_openapi_schema.required = ["first", "last"]  # noqa: SLF001 - as in with_form
    return [
        filling,
        with_form(missed, plant),
        with_form(pages, plant, first=DAY, last=DAY, shift=shift),
    ]


def _deployed(deployed: Flow[..., Any], plant: Plant, said: str) -> RunnerDeployment:
    return RunnerDeployment.from_flow(
        deployed,
        name=deployment_name(plant),
        description=said,
        concurrency_limit=ONE_AT_A_TIME,
        parameters={"config": plant.source},
        tags=["shiftmix"],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
