"""What `shiftmix serve` registers with Prefect for a plant: its flows, their schedules and forms.

The forms carry the plant's names, so that a wrong one is refused before a run is made. A change of
plant.toml shows in them when it is served again.
"""

from __future__ import annotations

import hashlib
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.types.entrypoint import EntrypointType
from prefect.utilities.callables import ParameterSchema

from flows.due import cron_of
from flows.inspect_shift import inspect_shift
from flows.shown import slug
from qc.plant import Plant
from qc.wording import plural

DAY = {"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}$"}


def deployments_of(plant: Plant) -> list[RunnerDeployment]:
    """Everything that Prefect is to run for a plant.

    A deployment is named after its plant: several plants may live on one server.
    """
    from flows.upkeep import upkeep_deployments  # whose forms are made with what is below

    return [_inspections(plant), *upkeep_deployments(plant)]


def remove_old_schedules(plant: Plant) -> None:
    """Take back the schedules of shifts that the plant no longer has; call it before registering.

    Registering adds and changes schedules by their names, and leaves all others as they are.
    """
    known = {times.name for times in plant.shifts}
    with get_client(sync_client=True) as client:
        try:
            there = client.read_deployment_by_name(f"{inspect_shift.name}/{deployment_name(plant)}")
        except ObjectNotFound:  # never registered before
            return
        for schedule in there.schedules:
            # One without a name was added in the UI, and is not ours to remove.
            if schedule.slug is not None and schedule.slug not in known:
                client.delete_deployment_schedule(there.id, schedule.id)


def deployment_name(plant: Plant) -> str:
    """The plant's name as Prefect and an address in the browser take it."""
    # A name in letters that no key may hold still needs one that is its own.
    return slug(plant.name) or f"plant-{hashlib.sha256(plant.name.encode()).hexdigest()[:8]}"


def with_form(
    deployment: RunnerDeployment, plant: Plant, **fields: dict[str, Any]
) -> RunnerDeployment:
    """Give a deployment the plant's own form, and refuse what is not in it.

    Parameters
    ----------
    fields : dict
        JSON schema of parameters, in the place of what the flow's signature says; their titles and
        descriptions are kept. A field without a default may be left empty: the flow knows its own.
    """
    # Prefect derives the form from the signature, and has no public way to say more.
    derived = deployment._parameter_openapi_schema  # noqa: SLF001
    config = {"type": "string", "enum": [plant.source], "readOnly": True}
    properties = dict(derived.properties)
    for name, schema in {"config": config, **fields}.items():
        told = {key: properties[name][key] for key in ("title", "description", "position")}
        properties[name] = told | schema
    form = _Form.model_validate(
        {"type": "object", "properties": properties, "additionalProperties": False}
    )
    deployment._parameter_openapi_schema = form  # noqa: SLF001
    return deployment


def names_of_shifts(plant: Plant) -> dict[str, Any]:
    """The schema of one shift's name: a drop-down list."""
    return {"type": "string", "enum": [times.name for times in plant.shifts]}


def names_of_lines(plant: Plant) -> dict[str, Any]:
    """The schema of names of lines: a list to choose any number from."""
    names = [line.name for line in plant.lines]
    return {"type": "array", "items": {"type": "string", "enum": names}, "uniqueItems": True}


class _Form(ParameterSchema, extra="allow"):
    """A schema that can refuse parameters which nobody knows."""


def _inspections(plant: Plant) -> RunnerDeployment:
    settling = plural(plant.operation.settle_minutes, "minute")
    schedules = [
        # Not said to be active: a new one is, and one that people paused in the UI stays so.
        DeploymentScheduleCreate(
            schedule=CronSchedule(cron=cron_of(plant, times), timezone=plant.time_zone),
            parameters={"shift": times.name},
            slug=times.name,
        )
        for times in plant.shifts
    ]
    deployment = RunnerDeployment.from_flow(
        inspect_shift,
        name=deployment_name(plant),
        description=f"Inspects each shift of {plant.name} by itself, {settling} after its end, and "
        "any shift by hand: give a date and a shift, or nothing for the last shift that ended.",
        schedules=schedules,
        # No limit: Prefect ends a limited run whose place it cannot renew with the server. The
        # runner has one, which needs no server.
        parameters={"config": plant.source},
        tags=["shiftmix"],
        # By its name as a package: the file's place depends on where it was installed.
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return with_form(
        deployment, plant, date=DAY, shift=names_of_shifts(plant), lines=names_of_lines(plant)
    )
