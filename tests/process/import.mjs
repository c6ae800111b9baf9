// `conclave import minutes`: minutes kept by hand, counted again by the cluster. The expected figures were counted by hand (the made-up
// minute: cluster/minutes/README.md) or come from the people who examined the hive's real ones, which are used when they are there
// (CONCLAVE_HIVE_MINUTES, or ../shared beside the checkout).
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Cluster, sourceDirectory } from './support/cluster.mjs';

const hive = process.env.CONCLAVE_HIVE_MINUTES ?? path.resolve(sourceDirectory, '../shared/data/cmmv-hive/minutes');
const made = path.join(sourceDirectory, 'cluster/minutes');

const supportOf = (report) => Object.fromEntries(report.questions.map((q) => [q.question, q.support.map(Number)]));
const blocksWith = (report, status) => report.chain.filter((block) => block.status === status).map((block) => Number(block.index));
const differing = (report) => report.questions.filter((q) => q.differs).length;

// What the cluster itself holds must be what the report says.
async function checkStored(cluster, report) {
  const stored = await cluster.json(['poll', 'show', report.poll]);
  assert.equal(stored.state, 'closed');
  const tally = await cluster.json(['tally', report.poll]);
  for (const question of tally.questions) {
    const reported = report.questions.find((entry) => entry.question === question.question);
    assert.deepEqual(question.verdict.support, reported.support, question.question);
    assert.equal(question.verdict.outcome, reported.outcome, question.question);
  }
}

test('minutes kept by hand are counted again', { timeout: 300_000 }, async (t) => {
  const cluster = await Cluster.start(t, 3);
  const importOf = (directory, ...more) =>
    cluster.json(['import', 'minutes', directory, '--keys', path.join(cluster.directory, 'keys'), ...more], { timeoutMs: 60_000 });

  await t.test('the made-up minute: what its README lists is found', async () => {
    const report = await importOf(path.join(made, '0101'));
    assert.deepEqual(supportOf(report), { 101: [43, 50], 102: [28, 50], 103: [43, 50], 104: [32, 50], 105: [12, 50] });
    assert.deepEqual(blocksWith(report, 'verified'), [1, 3, 5]);
    assert.deepEqual(blocksWith(report, 'verified_after_crlf_to_lf'), [2]);
    assert.deepEqual(blocksWith(report, 'unverifiable'), [4]);
    assert.deepEqual(report.not_on_poll.map((entry) => [entry.model, entry.question]), [['elm', '110']]);
    assert.equal(differing(report), 2);
    JSON.stringify(report, (key, value) => assert.notEqual(typeof value, 'number', `${key}: integers are strings`) ?? value);
    const byId = Object.fromEntries(report.questions.map((q) => [q.question, q]));
    assert.equal(byId['102'].outcome, 'failed');
    assert.equal(byId['102'].flips, true);
    assert.equal(byId['104'].flips, false);
    assert.equal(byId['105'].outcome, 'rejected_by_veto');
    assert.match(byId['102'].text, /28\/50 >= 60\/100: no/);
    await checkStored(cluster, report);
  });

  await t.test('an empty file is said to be empty', async () => {
    const empty = path.join(cluster.directory, 'empty.json');
    fs.writeFileSync(empty, '');
    const { status, error } = await cluster.conclave(['policy', 'put', 'empty', empty]);
    assert.equal(status, 2);
    assert.match(error, /empty\.json: the file is empty/);
  });

  await t.test('a second time nothing is doubled', async () => {
    const before = await cluster.digests();
    const report = await importOf(path.join(made, '0101'));
    assert.equal(Number(report.created.ballots), 0);
    assert.equal(Number(report.created.members), 0);
    assert.deepEqual(supportOf(report)[102], [28, 50]);
    const after = await cluster.digests();
    assert.deepEqual(after, before, 'not one write');
  });

  await t.test('imported ballots are marked, with the original bytes kept', async () => {
    const ballot = await cluster.json(['ballot', 'show', 'minutes-0101', 'birch']);
    const { createHash } = await import('node:crypto');
    const bytes = fs.readFileSync(path.join(made, '0101/votes/birch.json'));
    assert.equal(ballot.imported.sha256, createHash('sha256').update(bytes).digest('hex'));
    assert.equal(ballot.imported.file, 'votes/birch.json');
  });

  await t.test('broken JSON is named by file and position, and the rest goes on', async () => {
    const copy = path.join(cluster.directory, 'broken');
    fs.cpSync(path.join(made, '0101'), copy, { recursive: true });
    for (const file of ['proposals.json', 'voting_chain.json', 'results.json', ...fs.readdirSync(path.join(copy, 'votes')).map((name) => `votes/${name}`)]) {
      const text = fs.readFileSync(path.join(copy, file), 'utf8').replaceAll('"0101"', '"0102"');
      fs.writeFileSync(path.join(copy, file), text);
    }
    const cedar = path.join(copy, 'votes/cedar.json');
    fs.writeFileSync(cedar, fs.readFileSync(cedar, 'utf8').slice(0, 120)); // truncated
    const result = await cluster.conclave(['import', 'minutes', copy, '--keys', path.join(cluster.directory, 'keys'), '--json']);
    assert.equal(result.status, 1);
    const report = JSON.parse(result.out);
    assert.equal(report.problems.length, 1);
    assert.equal(report.problems[0].file, 'votes/cedar.json');
    assert.ok(Number(report.problems[0].line) >= 5, `line ${report.problems[0].line}`);
    assert.deepEqual(supportOf(report)[101], [35, 40]); // 10+9+9+7 of four
  });

  await t.test('a directory that is none', async () => {
    const result = await cluster.conclave(['import', 'minutes', '/nonexistent/minutes']);
    assert.equal(result.status, 3);
    assert.match(result.error, /\/nonexistent\/minutes/);
  });

  const real = fs.existsSync(path.join(hive, '0003/results.json'));
  const skip = real ? false : 'the hive\'s real minutes are not here';

  await t.test('the real minute 0001', { skip }, async () => {
    const report = await importOf(path.join(hive, '0001'));
    const sums = '012=98 006=92 009=91 019=90 011=89 002=88 007=88 018=87 001=83 005=83 017=83 015=80 010=79 008=77 013=74 003=72 016=67 004=64 014=64 020=53';
    assert.deepEqual(supportOf(report), Object.fromEntries(sums.split(' ').map((pair) => [pair.split('=')[0], [Number(pair.split('=')[1]), 100]])));
    assert.equal(differing(report), 15);
    assert.deepEqual(blocksWith(report, 'unverifiable'), [4, 9]);
    assert.equal(blocksWith(report, 'verified').length, 8);
    await checkStored(cluster, report);
  });

  await t.test('the real minute 0002', { skip }, async () => {
    const report = await importOf(path.join(hive, '0002'));
    const special = { 'P-029': [9, 1], 'P-037': [6, 4], 'P-041': [2, 8], 'P-049': [1, 9] };
    for (const question of report.questions) {
      assert.deepEqual([question.yes, question.no].map(Number), special[question.question] ?? [10, 0], question.question);
      assert.equal(question.outcome, ['P-041', 'P-049'].includes(question.question) ? 'failed' : 'passed', question.question);
    }
    const p037 = report.questions.find((q) => q.question === 'P-037');
    assert.equal(p037.published.status, 'rejected');
    assert.equal(p037.flips, true);
    assert.equal(blocksWith(report, 'verified_after_crlf_to_lf').length, 6);
    await checkStored(cluster, report);
  });

  await t.test('the real minute 0003', { skip }, async () => {
    const report = await importOf(path.join(hive, '0003'));
    const sums = '037=100 021=93 023=92 025=91 024=90 036=89 035=88 022=84 027=84 026=83 030=83 033=82 034=81 010=74 015=73 013=71 016=63 031=57 014=56 003=55 029=47 004=46 028=30 020=25';
    assert.deepEqual(supportOf(report), Object.fromEntries(sums.split(' ').map((pair) => [pair.split('=')[0], [Number(pair.split('=')[1]), 100]])));
    assert.equal(differing(report), 18);
    const p031 = report.questions.find((q) => q.question === '031');
    assert.equal(Number(p031.published.score), 64);
    assert.equal(p031.published.status, 'approved');
    assert.match(p031.text, /57\/100 >= 60\/100: no/);
    assert.equal(p031.flips, true);
    assert.notEqual(p031.outcome, 'passed');
    assert.deepEqual(report.not_on_poll.map((entry) => [entry.model, entry.question]),
      ['017', '018', '019', '032'].map((question) => ['grok-3-beta', question]));
    assert.deepEqual(blocksWith(report, 'unverifiable'), [9, 11]);
    assert.match(report.questions.find((q) => q.question === '037').text, /100\/100 >= 70\/100: yes/);
    assert.match(report.questions.find((q) => q.question === '021').text, /93\/100 >= 55\/100: yes/);
    await checkStored(cluster, report);
  });
});
