// Both checkers, on a history made by hand: they accept it, and find each thing that is put wrong in it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { checkExactly } from './lib/exact.mjs';
import { Replay } from './lib/replay.mjs';

const later = 10 ** 15;

// Three members with the weights 1 (chair), 2 (ada), 3 (bob). In poll p: ada votes yes, then no; bob votes yes. Nobody else does.
// By hand: no 1 head, weight 2; yes 1 head, weight 3; 3 of 5 is more than a half, 2 of 3 heads are a quorum: passed.
function makeLog() {
  const command = (author, nonce, kind, body, code = 'ok') => ({ author, nonce, notAfter: later, kind, body, code });
  const cast = (author, nonce, a, why, code) => command(author, nonce, 'ballot.cast', { poll: 'p', answers: [{ q: 'q', a, why }] }, code);
  const entry = (index, time, ...commands) => ({ index, term: 1, type: 'batch', time, closes: [], commands });
  return [
    { index: 1, term: 1, type: 'configuration', time: 0, closes: [], commands: [] },
    entry(2, 100, command('chair', 'g', 'genesis', { chair: { id: 'chair' } })),
    entry(3, 200, command('chair', 'm1', 'member.admit', { id: 'ada', weight: 2 }), command('chair', 'm2', 'member.admit', { id: 'bob', weight: 3 })),
    entry(4, 300, command('chair', 'o', 'poll.open', { id: 'p', open_for_ms: 1000 })),
    entry(5, 400, cast('ada', 'a1', 'yes', 'ada#1')),
    entry(6, 500, cast('bob', 'b1', 'yes', 'bob#1')),
    entry(7, 600, cast('ada', 'a2', 'no', 'ada#2')),
    { ...entry(8, 1301), closes: ['p'] },
    entry(9, 1400, cast('bob', 'b2', 'no', 'bob#2', 'poll_closed')),
  ];
}

function makeHistory() {
  const write = (client, op, nonce, invoked, returned, index, position, more) => ({ client, op, ...more, nonce, invoked, returned,
    outcome: 'ok', code: 'ok', index, position });
  const cast = (client, nonce, invoked, returned, index, answer, why, ballot) =>
    write(client, 'cast', nonce, invoked, returned, index, 0, { poll: 'p', answer, why, ballot });
  const read = (client, op, invoked, returned, index, value, more) => ({ client, op, poll: 'p', ...more, invoked, returned, outcome: 'ok', index, value });
  const tally = (yes, no, ballots, state = 'open') => ({ state, ballots, yes, no, abstain: [0, 0] });
  return [
    write('chair', 'admit', 'm1', 1, 4, 3, 0, { member: 'ada', weight: 2 }),
    write('chair', 'admit', 'm2', 2, 4, 3, 1, { member: 'bob', weight: 3 }),
    write('chair', 'open', 'o', 5, 6, 4, 0, { poll: 'p' }),
    read('bob', 'ballot', 7, 8, undefined, null, { member: 'ada' }),
    cast('ada', 'a1', 10, 20, 5, 'yes', 'ada#1', 1),
    read('bob', 'ballot', 21, 25, 5, { ballot: 1, at: 5, position: 0, answer: 'yes', why: 'ada#1' }, { member: 'ada' }),
    read('ada', 'tally', 21, 26, 5, tally([1, 2], [0, 0], 1)),
    cast('bob', 'b1', 30, 40, 6, 'yes', 'bob#1', 1),
    cast('ada', 'a2', 45, 60, 7, 'no', 'ada#2', 2),
    read('bob', 'tally', 61, 70, 7, tally([1, 3], [1, 2], 2)),
    read('bob', 'ballot', 61, 71, 7, { ballot: 2, at: 7, position: 0, answer: 'no', why: 'ada#2' }, { member: 'ada' }),
    { ...cast('bob', 'b2', 80, 90, 9, 'no', 'bob#2'), outcome: 'refused', code: 'poll_closed', ballot: undefined },
    read('ada', 'decision', 91, 95, 9, { outcome: 'passed', at: 8, ballots: 2, yes: [1, 3], no: [1, 2], abstain: [0, 0] }),
  ];
}

function makeFinals() {
  const poll = {
    tally: { state: 'closed', ballots: 2, yes: [1, 3], no: [1, 2], abstain: [0, 0] },
    ballots: {
      ada: { ballot: 2, at: 7, position: 0, answer: 'no', why: 'ada#2' },
      bob: { ballot: 1, at: 6, position: 0, answer: 'yes', why: 'bob#1' },
    },
    decision: { outcome: 'passed', at: 8, ballots: 2, yes: [1, 3], no: [1, 2], abstain: [0, 0] },
  };
  return [1, 2, 3].map((node) => ({ node, applied: 9, digest: 'd', polls: { p: structuredClone(poll) } }));
}

// A world in which everything is right, after `change` has put something wrong.
function made(change = () => {}) {
  const all = { log: makeLog(), history: makeHistory(), finals: makeFinals() };
  change(all);
  return all;
}

function exact({ log, history, finals }) {
  return checkExactly(new Replay(log), history, finals).problems;
}

function judge({ history, finals }) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-judge-'));
  const files = ['history', 'finals'].map((name) => path.join(directory, name));
  fs.writeFileSync(files[0], history.map((line) => `${JSON.stringify(line)}\n`).join(''));
  fs.writeFileSync(files[1], JSON.stringify(finals));
  const run = spawnSync(path.join(process.env.CONCLAVE_BIN_DIR, 'chaos-judge'), files, { encoding: 'utf8' });
  fs.rmSync(directory, { recursive: true });
  assert.ok(run.status === 0 || run.status === 1, run.stderr);
  return run.status === 0 ? [] : run.stdout.trim().split('\n').slice(0, -1);
}

const line = (all, why, op = 'cast') => all.history.find((one) => one.op === op && (one.why === why || one.value?.why === why));

test('a history in which all is right', () => {
  assert.deepEqual(exact(made()), []);
  assert.deepEqual(judge(made()), []);
});

test('a cast of unknown outcome may or may not be there', () => {
  const unknown = { client: 'bob', op: 'cast', poll: 'p', answer: 'abstain', why: 'bob#0', nonce: 'b0', invoked: 9, returned: 11, outcome: 'unknown' };
  const all = made(({ history }) => history.push(unknown));
  assert.deepEqual(exact(all), []);
  assert.deepEqual(judge(all), []);
});

// [what is wrong, how it is made, what the first checker says, what the second says (null: it cannot know)]
const wrongs = [
  ['an acknowledged ballot that the log does not have', (all) => { all.log[5].commands = []; }, /^lost: bob cast bob#1/, null],
  ['an acknowledged ballot that is on no node at the end', ({ finals }) => {
    for (const { polls: { p } } of finals) {
      delete p.ballots.bob;
      Object.assign(p.tally, { ballots: 1, yes: [0, 0] });
    }
  }, /^lost: node 1, p: bob has null/, /node 1 read a tally of p that no ballots explain/],
  ['an acknowledged ballot that one node lost', ({ finals }) => {
    delete finals[2].polls.p.ballots.bob;
    Object.assign(finals[2].polls.p.tally, { ballots: 1, yes: [0, 0] });
  }, /^lost: node 3, p: bob has null/, /node 3 read a tally of p that no ballots explain/],
  ['a ballot that took effect twice', (all) => { line(all, 'ada#2').ballot = 3; }, /^doubled: ada cast ada#2/, /ballot ada#2 was numbered 3 after 1, of 2/],
  ['a ballot that was counted twice', ({ finals }) => {
    for (const { polls: { p } } of finals) Object.assign(p.tally, { ballots: 3, yes: [2, 6] });
  }, /^wrong: node 1, p: the tally is .*"ballots":3/, /no ballots explain: 3 ballots \(2 to 2\)/],
  ['a revote that was counted beside the first ballot', (all) => {
    const tally = all.history.findLast(({ op }) => op === 'tally');
    Object.assign(tally.value, { ballots: 3, yes: [2, 5] });
  }, /^wrong: bob tally p .* shows .*"ballots":3/, /bob read a tally of p that no ballots explain: 3 ballots \(2 to 2\)/],
  ['a stale read of a ballot', (all) => {
    Object.assign(line(all, 'ada#2', 'ballot'), { index: 6, value: { ballot: 1, at: 5, position: 0, answer: 'yes', why: 'ada#1' } });
  }, /^stale: bob ballot p .* shows 6, but 7 was known/, /the ballots of ada in p have no order/],
  ['a read that finds nothing where something was acknowledged', (all) => { Object.assign(line(all, 'ada#1', 'ballot'), { value: null, index: undefined }); },
    /^stale: bob ballot p .* found nothing/, /the ballots of ada in p have no order/],
  ['a stale tally', (all) => {
    Object.assign(all.history.findLast(({ op }) => op === 'tally'), { index: 6, value: { state: 'open', ballots: 2, yes: [2, 5], no: [0, 0], abstain: [0, 0] } });
  }, /^stale: bob tally p .* shows 6, but 7 was known/, /bob read a tally of p that no ballots explain/],
  ['a read of a ballot that nobody had cast yet', (all) => { Object.assign(line(all, 'ada#2', 'ballot'), { invoked: 21, returned: 22 }); },
    /^stale: ada cast ada#2 .* stands at 7, but 7 was known/, /the ballots of ada in p have no order/],
  ['a write that stands before one that was acknowledged earlier', (all) => { Object.assign(line(all, 'bob#1'), { invoked: 75, returned: 76 }); },
    /^stale: bob cast bob#1 .* stands at 6, but 7 was known/, /bob read a tally/],
  ['another answer than was given', ({ log }) => { log[4].commands[0].body.answers[0].a = 'no'; }, /^wrong: ada cast ada#1/, null],
  ['a wrong decision', (all) => { for (const { polls: { p } } of all.finals) p.decision.outcome = 'failed'; }, /^wrong: node 1, p: the decision/, null],
  ['a wrong weight', ({ finals }) => { for (const { polls: { p } } of finals) p.tally.yes = [1, 2]; }, /^wrong: node 1, p: the tally/, /weight 2 \(3 to 3\)/],
  ['a ballot taken after the poll closed', ({ log }) => { log[8].commands[0].code = 'ok'; }, /^wrong: entry 9 takes a ballot of bob for p/, null],
  ['a ballot refused while the poll was open', ({ log }) => { log[5].commands[0].code = 'poll_closed'; }, /^wrong: entry 6 refuses a ballot of bob/, null],
  ['a poll closed before its deadline', ({ log }) => { log[7].time = 1299; }, /^wrong: entry 8 closes p before its deadline/, null],
  ['a ballot that nobody cast', ({ log }) => {
    log[5].commands.push({ author: 'chair', nonce: 'x', notAfter: later, kind: 'ballot.cast', body: { poll: 'p', answers: [{ q: 'q', a: 'yes', why: 'x' }] }, code: 'ok' });
  }, /^wrong: nobody cast the ballot of chair at 6/, null],
  ['nodes that differ', ({ finals }) => { finals[1].digest = 'e'; }, /^wrong: the nodes differ/, null],
  ['a log with a hole', ({ log }) => { log.splice(4, 1); }, /^wrong: the log has entry 6 after 4/, null],
  ['an error that nothing explains', (all) => { Object.assign(line(all, 'ada#1'), { outcome: 'error', message: 'internal' }); }, /^wrong: ada cast ada#1 .*internal/, null],
];

for (const [what, change, first, second] of wrongs) {
  test(`found: ${what}`, () => {
    const all = made(change);
    const problems = exact(all);
    assert.ok(problems.some((text) => first.test(text)), `the first checker: ${JSON.stringify(problems)}`);
    if (second !== null) {
      const found = judge(all);
      assert.ok(found.some((text) => second.test(text)), `the second checker: ${JSON.stringify(found)}`);
    }
  });
}

// A register with many writes at once and a read that only one order explains: the search has to go back.
test('the search goes back as often as it must', () => {
  const cast = (n, invoked, returned) => ({ client: 'ada', op: 'cast', poll: 'p', answer: 'yes', why: `ada#${n}`, nonce: `n${n}`, invoked, returned, outcome: 'unknown' });
  const history = Array.from({ length: 30 }, (_, i) => cast(i, 100 + i, 1000));
  const read = (n, invoked, returned) => ({ client: 'bob', op: 'ballot', poll: 'p', member: 'ada', invoked, returned, outcome: 'ok', index: 1,
    value: { ballot: 1, at: 1, position: 0, answer: 'yes', why: `ada#${n}` } });
  assert.deepEqual(judge({ history: [...history, read(7, 2000, 2001), read(3, 2002, 2003)], finals: [] }), []);
  const back = judge({ history: [...history, read(7, 2000, 2001), read(3, 2002, 2003), read(7, 2004, 2005)], finals: [] });
  assert.match(back[0], /the ballots of ada in p have no order/);
});
