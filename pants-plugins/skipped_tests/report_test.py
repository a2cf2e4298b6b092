"""The block at the end of a run whose test results contain skips."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from pants.base.specs import Specs
from pants.core.goals.test import ShowOutput, TestResult
from pants.engine.addresses import Address
from pants.engine.fs import EMPTY_FILE_DIGEST, CreateDigest, FileContent, Snapshot
from pants.engine.rules import Get, QueryRule, rule
from pants.engine.streaming_workunit_handler import StreamingWorkunitHandler
from pants.testutil.option_util import create_options_bootstrapper
from pants.testutil.rule_runner import RuleRunner
from pants.util.logging import LogLevel

from skipped_tests.report import SkippedTestsReport

ADDRESS = Address("tests", target_name="tests", relative_file_path="a_test.py")
SKIPPED = '<testcase classname="tests.a_test" name="a"><skipped message="no server"/></testcase>'
PASSED = '<testcase classname="tests.a_test" name="b"/>'


@dataclass(frozen=True)
class Tests:
    """Tests whose run writes this report, or None if the runner writes no report."""

    junit: str

    __test__ = False


@rule(desc="Run tests", level=LogLevel.INFO)
async def run(tests: Tests) -> TestResult:
    content = [FileContent("a.xml", tests.junit.encode())] if tests.junit else []
    report = await Get(Snapshot, CreateDigest(content))
    return TestResult(
        exit_code=0,
        stdout="",
        stdout_digest=EMPTY_FILE_DIGEST,
        stderr="",
        stderr_digest=EMPTY_FILE_DIGEST,
        addresses=(ADDRESS,),
        output_setting=ShowOutput.FAILED,
        result_metadata=None,
        xml_results=report if tests.junit else None,
    )


@pytest.fixture
def rule_runner() -> RuleRunner:
    return RuleRunner(
        rules=[run, QueryRule(TestResult, [Tests])], max_workunit_verbosity=LogLevel.DEBUG
    )


def run_tests(rule_runner: RuleRunner, *cases: str, use_colors: bool = False) -> None:
    """Run one command as Pants does, with its own session and callback."""
    rule_runner.set_options([])
    handler = StreamingWorkunitHandler(
        rule_runner.scheduler,
        run_tracker=None,
        callbacks=[SkippedTestsReport(use_colors)],
        options_bootstrapper=create_options_bootstrapper(),
        specs=Specs.empty(),
        report_interval_seconds=0.01,
        allow_async_completion=True,
        max_workunit_verbosity=LogLevel.DEBUG,
    )
    with handler:
        junit = f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>"
        rule_runner.request(TestResult, [Tests(junit if cases else "")])


BLOCK = "\n- Skipped tests:\n  tests/a_test.py\n    1x no server\n"


def test_a_skip_is_shown_at_each_run_memoized_or_not(
    rule_runner: RuleRunner, capsys: pytest.CaptureFixture[str]
) -> None:
    run_tests(rule_runner, SKIPPED, PASSED)
    assert capsys.readouterr().err == BLOCK
    run_tests(rule_runner, SKIPPED, PASSED)
    assert capsys.readouterr().err == BLOCK


def test_nothing_is_shown_where_nothing_was_skipped(
    rule_runner: RuleRunner, capsys: pytest.CaptureFixture[str]
) -> None:
    run_tests(rule_runner, PASSED)
    run_tests(rule_runner)
    assert capsys.readouterr().err == ""


def test_colours_are_optional(rule_runner: RuleRunner, capsys: pytest.CaptureFixture[str]) -> None:
    run_tests(rule_runner, SKIPPED, use_colors=True)
    assert "\033[33mSkipped tests:\033[0m" in capsys.readouterr().err
