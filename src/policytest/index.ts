/**
 * Policy tests: files, single tests, runs.
 * @module
 */
export { displayPath, findTestFiles } from './file-names.ts';
export { disagreements, type Evidence, runSuite, type RunSuiteOptions } from './run-suite.ts';
export { isInShard, parseFilter, parseShard, type Shard } from './selection.ts';
export { loadSuite, type Suite, type SuiteStep } from './suite.ts';
export type { TestCase } from './test-case.ts';
export { parseTestFile, type TestDocument } from './test-file.ts';
export { summarize, type TestResult, type TestStatus, type TestSummary } from './test-result.ts';
export * from './test-schema.ts';
export { describeExpectation, describeOutcome, isNamed, isResult, Judge, policyName } from './verdict.ts';
export { boundaryPools, boundaryRequests, boundaryTargets, near } from './boundary-requests.ts';
export { mutationScore, type MutationOptions } from './mutation.ts';
export { joinMutation, type MutantResult, mutationReport, type MutationReport } from './mutation-report.ts';
export { blobOf, joinReports, readBlob, type TestReport } from './test-report.ts';
export { addEvidence, runSuites, runTests, type TestRunOptions } from './test-run.ts';
export { firstTestFile, type FirstTestFile, manifestPath } from './first-test-file.ts';
export { testOf, withTests } from './written-tests.ts';
