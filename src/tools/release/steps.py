"""Steps that all succeed, or are undone; and the steps that switch to another release."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cli.errors import UserError
from cli.terminal import say
from tools.release.environment import DeploymentEnvironment
from tools.release.release import Record, write_files


@dataclass(frozen=True)
class Step:
    """One action, named as an imperative; without `undo`, its effect may stay."""

    name: str
    do: Callable[[], None]
    undo: Callable[[], None] | None = None


def run_steps(steps: Sequence[Step], *, title: str) -> None:
    """Run the steps in order; if one fails or is interrupted, undo it and the earlier ones.

    Raises:
        UserError: a step failed; names the steps that were not undone.
    """
    for number, step in enumerate(steps):
        done = steps[:number]
        try:
            step.do()
        except UserError as error:
            outcome = _roll_back(done, step)
            raise UserError(_failure(title, step, error, outcome, done)) from error
        except BaseException:
            say(f"{title}: interrupted at {step.name!r}. {_roll_back(done, step)}")
            raise
        say(f"  done: {step.name}")


def switch_release(
    environment: DeploymentEnvironment, record: Callable[[], Record], aliased: str | None
) -> Iterator[Step]:
    """The steps that make a release the current one; `release.json` is written last.

    `aliased` is the version that the alias points at before.
    """
    bundle, versions = environment.bundle, environment.versions
    declaration, file = bundle.declaration_file, bundle.release_file
    before = {name: bundle.folder.read(name) for name in (declaration, file)}

    def restore_alias() -> None:
        if environment.aliased_version() != aliased:
            versions.set_alias(aliased)

    yield Step(
        f"write {declaration}",
        lambda: bundle.folder.write(declaration, record().declaration),
        lambda: write_files(bundle.folder, {declaration: before[declaration]}),
    )
    yield Step(
        f"move the alias {versions.alias}",
        lambda: versions.set_alias(record().release.version),
        restore_alias,
    )
    yield Step(
        f"write {file}",
        lambda: bundle.folder.write(file, record().release.to_json()),
        lambda: write_files(bundle.folder, {file: before[file]}),
    )


def _roll_back(done: Sequence[Step], failed: Step) -> str:
    """Undo the failed step and the earlier ones, last first; return what came of it."""
    is_undone = _undo(failed)
    left = [step.name for step in reversed(done) if not _undo(step)]
    if left:
        return f"Could not undo, so the release may be deployed in part: {'; '.join(left)}."
    if is_undone:
        return "All steps were undone: the earlier release still runs."
    return (
        "The earlier steps were undone: the earlier release still runs. Could not check whether "
        f"{failed.name!r} had an effect."
    )


def _undo(step: Step) -> bool:
    """Undo a step; return whether that succeeded."""
    try:
        if step.undo:
            step.undo()
    except UserError:
        return False
    return True


def _failure(title: str, step: Step, error: UserError, outcome: str, done: Sequence[Step]) -> str:
    kept = [one.name for one in done if not one.undo]
    lines = [f"{title} failed at {step.name!r}: {error}", outcome]
    if kept:
        lines.append(f"Done, and kept: {', '.join(kept)}.")
    return "\n".join([*lines, "Fix this, and run the same command again: it continues from here."])
