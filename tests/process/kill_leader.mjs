// kill -9 of the leader at random moments while 200 voters vote: every acknowledged ballot is there once, on all nodes; the tallies equal a
// recount of the log; the nodes' digests are equal.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Cluster, inParallel } from './support/cluster.mjs';
import { commandsOf, recountYesNo } from './support/recount.mjs';

const voterCount = 200;
const rounds = { 3: Number(process.env.CONCLAVE_KILL_ROUNDS ?? 30), 5: Number(process.env.CONCLAVE_KILL_ROUNDS_FIVE ?? 5) };

// What this voter answers in this round: any fixed mixture will do.
const choiceOf = (voter, round) => ['yes', 'no', 'abstain'][(voter * 7 + round * 3) % 5 % 3];

async function killAndRestart(cluster, afterMs) {
  const victim = await cluster.leader();
  await new Promise((resolve) => setTimeout(resolve, afterMs)); // the random moment, not a wait for something
  await cluster.local('kill', String(victim));
  return victim;
}

async function oneRound(cluster, keys, round) {
  const poll = `round-${round}`;
  await cluster.json(['poll', 'open', poll, '--title', `Round ${round}`, '--for', '1h', '--question', 'q,policy=simple-majority,title=Shall we?']);
  const killing = killAndRestart(cluster, Math.random() * 1500);
  const outcomes = await inParallel(keys, voterCount, (key, voter) =>
    cluster.conclave(['vote', poll, `q=${choiceOf(voter, round)}`, '--yes', '--json', '--timeout', '30s'], { key }));
  const victim = await killing;
  await cluster.local('restart', String(victim));

  const acknowledged = outcomes.flatMap((outcome, voter) => (outcome.status === 0 ? [voter] : []));
  for (const [voter, outcome] of outcomes.entries()) {
    assert.ok([0, 5, 7].includes(outcome.status), `voter ${voter}: exit ${outcome.status}: ${outcome.error}`);
  }
  return { poll, round, acknowledged };
}

async function checkRound(cluster, commands, { poll, round, acknowledged }) {
  const recount = recountYesNo(commands, poll, 'q');
  for (const voter of acknowledged) {
    const member = `voter-${voter}`;
    assert.equal(recount.ballots.get(member), choiceOf(voter, round), `${poll}: the acknowledged ballot of ${member}`);
  }
  for (const [member, times] of recount.accepted) {
    assert.equal(times, 1, `${poll}: ${member} was accepted ${times} times`);
  }
  for (let node = 1; node <= cluster.nodes; node++) {
    const answer = await cluster.json(['tally', poll, '--stale'], { endpoints: cluster.endpoint(node) });
    const [tally] = answer.questions;
    assert.deepEqual([tally.yes[0], tally.no[0], tally.abstain[0]].map(Number), [recount.yes, recount.no, recount.abstain],
      `${poll}: the tally of node ${node} against a recount of the log`);
  }
}

for (const nodes of [3, 5]) {
  test(`${nodes} nodes: ${rounds[nodes]} kills of the leader under ${voterCount} voters lose and double nothing`,
    { timeout: 800_000 }, async (t) => {
      const cluster = await Cluster.start(t, nodes);
      const voters = Array.from({ length: voterCount }, (_, voter) => voter);
      const keys = await inParallel(voters, 16, (voter) => cluster.admit(`voter-${voter}`));

      const done = [];
      for (let round = 1; round <= rounds[nodes]; round++) {
        done.push(await oneRound(cluster, keys, round));
      }
      const digests = await cluster.digests();
      assert.equal(new Set(digests).size, 1, `digests ${digests}`);

      const exported = await cluster.conclave(['export']);
      assert.equal(exported.status, 0, exported.error);
      const commands = commandsOf(exported.out);
      for (const round of done) await checkRound(cluster, commands, round);
      const acknowledged = done.reduce((sum, round) => sum + round.acknowledged.length, 0);
      t.diagnostic(`${acknowledged} of ${voterCount * rounds[nodes]} ballots acknowledged, each found once on ${nodes} nodes`);
      assert.ok(acknowledged > (voterCount * rounds[nodes]) / 2, 'most ballots should have been acknowledged');

      await cluster.local('stop', '1');
      const status = await cluster.status();
      assert.equal(status.health, 'degraded');
    });
}
