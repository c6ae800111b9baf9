// A chaos run: makes the machines and the cluster, lets people vote, breaks things as the schedule says, heals them, and has everything
// checked twice. tests/chaos/run starts it in namespaces of its own; nothing that it makes outlives it.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { People } from './lib/clients.mjs';
import { checkExactly } from './lib/exact.mjs';
import { readFinals, readLog, settle, unlessDamaged } from './lib/finals.mjs';
import { readOptions } from './lib/options.mjs';
import { writePicture } from './lib/picture.mjs';
import { Replay } from './lib/replay.mjs';
import { ask } from './lib/rpc.mjs';
import { makeSchedule } from './lib/schedule.mjs';
import { nowUs, sleep, until } from './lib/time.mjs';
import { World } from './lib/world.mjs';

const killGapMs = [500, 2500];

const options = readOptions();
const recoveryMs = options.recovery * 1000;
const programs = process.env.CONCLAVE_BIN_DIR;
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-chaos-'));
const out = options.out ?? directory;
const seconds = (us) => (us / 1e6).toFixed(2);
const lines = []; // of the report

function say(line) {
  lines.push(line);
  console.log(line);
}

let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (interrupted) process.exit(1);
    interrupted = true;
    console.log(`chaos: ${signal}: ends after this fault; once more ends it now`);
  });
}

// From now until a ballot that is sent after now is acknowledged, in microseconds; null when none is in time.
async function recovery(people) {
  const since = nowUs();
  const acknowledged = await people.nextBallot(since, recoveryMs);
  return acknowledged === null ? null : acknowledged - since;
}

async function breakAndHeal(world, people, plan, done) {
  const { nemesis } = plan;
  const fault = { name: nemesis.name, began: nowUs() };
  const what = await nemesis.begin(world, plan);
  await sleep(plan.holdMs);
  await nemesis.end(world, plan, what);
  fault.ended = nowUs();
  const took = await recovery(people);
  Object.assign(fault, { text: what.text, recovered: took });
  done.push(fault);
  const acknowledged = people.acknowledged.filter((time) => time >= fault.began && time < fault.ended).length;
  say(`${seconds(fault.began).padStart(8)} s  ${nemesis.name.padEnd(16)} ${what.text}; ${seconds(fault.ended - fault.began)} s, `
    + `${acknowledged} ballots meanwhile, ${took === null ? 'NONE' : `the next ${seconds(took)} s`} after it`);
  if (took === null) world.violations.push(`no ballot was acknowledged within ${recoveryMs / 1000} s after ${nemesis.name} was undone`);
}

async function faults(world, people) {
  const done = [];
  const { faults: planned, last } = makeSchedule(options);
  const lastMs = last.reduce((sum, { gapMs, holdMs }) => sum + gapMs + holdMs + 4000, 0);
  const end = nowUs() + options.minutes * 60e6 - lastMs * 1000;
  for (let i = 0; nowUs() < end && !interrupted && planned.length > 0; i++) {
    const plan = planned[i % planned.length];
    await sleep(plan.gapMs);
    await breakAndHeal(world, people, plan, done);
  }
  for (const plan of last) {
    if (interrupted) break;
    await sleep(plan.gapMs);
    await breakAndHeal(world, people, plan, done);
  }
  return done;
}

// kill -9 of the leader, again and again: the time until a ballot is acknowledged that was sent after it.
async function kills(world, people) {
  const done = [];
  for (let i = 0; i < options.kills && !interrupted; i++) {
    const { gapMs } = makeSchedule({ ...options, seed: options.seed + i, minutes: 1 }).faults[0];
    await sleep(Math.min(Math.max(gapMs, killGapMs[0]), killGapMs[1]));
    const leader = await world.leader();
    const fault = { name: 'kill', text: `node ${leader.id}, which led`, began: nowUs() };
    leader.child.kill('SIGKILL');
    leader.stopping = true;
    fault.recovered = await recovery(people);
    await world.kill(leader);
    world.start(leader);
    await world.ready(leader);
    fault.ended = nowUs();
    done.push(fault);
    say(`${seconds(fault.began).padStart(8)} s  kill -9 of the leader, node ${leader.id}: ${fault.recovered === null ? 'NONE' : `${seconds(fault.recovered)} s until the next ballot`}`);
    if (fault.recovered === null) world.violations.push(`no ballot was acknowledged within ${recoveryMs / 1000} s after a kill of the leader`);
  }
  const times = done.map(({ recovered }) => recovered ?? Infinity).sort((a, b) => a - b);
  const median = (times[Math.floor((times.length - 1) / 2)] + times[Math.floor(times.length / 2)]) / 2;
  say(`from kill -9 of the leader to the next acknowledged ballot: median ${seconds(median)} s, worst ${seconds(times.at(-1))} s of ${times.length}`);
  return done;
}

async function openCluster(world) {
  const chairSeed = await world.makeCluster();
  for (const node of world.nodes) world.start(node);
  for (const node of world.nodes) await world.ready(node);
  const { cluster } = await ask(world.endpoint(1), 'hello');
  return { chairSeed, cluster };
}

// The second checker, which knows histories and final tallies only.
function judge(historyFile, finalsFile) {
  const run = spawnSync(path.join(programs, 'chaos-judge'), [historyFile, finalsFile], { encoding: 'utf8', maxBuffer: 1 << 26 });
  return { ok: run.status === 0, text: (run.stdout + run.stderr).trim() };
}

// Where two entries differ, in a line of bearable length.
function difference(entry, other) {
  if (entry === undefined) return `it ends before entry ${other.index}`;
  const command = entry.commands.findIndex((one, i) => JSON.stringify(one) !== JSON.stringify(other.commands[i]));
  const texts = command < 0 ? [entry, other].map((one) => JSON.stringify({ ...one, commands: one.commands.length }))
    : [entry, other].map((one) => JSON.stringify(one.commands[command]));
  return `in entry ${entry.index} it has ${texts[0]}, the first node ${texts[1]}`;
}

async function check(world, historyFile) {
  const settled = await settle(world);
  const finals = [];
  let log = null;
  for (const one of settled) {
    const { node, applied } = one;
    const entries = await unlessDamaged(world, node, () => readLog(world, node, applied));
    const final = entries && await unlessDamaged(world, node, () => readFinals(world, one));
    if (final === null) {
      say(`node ${node} found the damage of its log when all of it was read`);
      continue;
    }
    finals.push(final);
    if (log === null) {
      log = entries;
    } else {
      const differs = log.findIndex((entry, i) => JSON.stringify(entry) !== JSON.stringify(entries[i]));
      if (differs >= 0) world.violations.push(`node ${node} has another log: ${difference(entries[differs], log[differs])}`);
      else if (entries.length > log.length) world.violations.push(`node ${node} has a longer log`);
    }
  }
  const finalsFile = path.join(out, 'finals.json');
  fs.writeFileSync(finalsFile, JSON.stringify(finals));
  const history = fs.readFileSync(historyFile, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  const replay = new Replay(log);
  const exact = checkExactly(replay, history, finals);
  const second = judge(historyFile, finalsFile);
  return { ...exact, second, entries: log.length, polls: replay.polls.size, nodes: finals.length };
}

function report(world, people, done, result) {
  const { counts, problems, second } = result;
  const all = [...world.violations, ...people.errors, ...problems, ...(second.ok ? [] : [`the second checker: ${second.text}`])];
  for (const { id, out: why } of world.nodes) if (why) say(`node ${id} was out at the end: ${why}`);
  say(`${counts.acknowledged} ballots acknowledged, ${counts.refused} refused by a rule, ${counts.unknown} with unknown outcome, ${counts.reads} reads; `
    + `${done.length} faults; ${result.polls} polls and ${result.entries} log entries, the same on ${result.nodes} nodes`);
  say(`${counts.lost} lost, ${counts.doubled} doubled, ${counts.stale} stale, ${counts.wrong} wrong; the second checker: ${second.text.split('\n').at(-1)}`);
  for (const problem of all.slice(0, 50)) say(`PROBLEM: ${problem}`);
  say(all.length === 0 ? 'verdict: nothing was lost, doubled, stale or wrong' : `verdict: FAILED, ${all.length} problems; tests/chaos/run --nodes ${options.nodes} --minutes ${options.minutes} --seed ${options.seed} has the same schedule`);
  fs.writeFileSync(path.join(out, 'report.txt'), `${lines.join('\n')}\n`);
  fs.writeFileSync(path.join(out, 'report.json'), JSON.stringify({ options, counts, problems: all, faults: done, second: second.text }, null, 1));
  writePicture(path.join(out, 'availability.svg'), { acknowledged: people.acknowledged, faults: done, options });
  return all.length === 0;
}

// A run that failed keeps what it wrote.
function keepLogs(world, good) {
  if (options.out) {
    for (const node of world.nodes) fs.copyFileSync(node.logFile, path.join(out, `node${node.id}.log`));
  }
  if (good || options.out) fs.rmSync(directory, { recursive: true, force: true });
  else console.log(`the history and the nodes' log lines are in ${directory}`);
}

async function main() {
  fs.mkdirSync(out, { recursive: true });
  say(`chaos: ${options.nodes} nodes, ${options.voters} voters, ${options.kills ? `${options.kills} kills of the leader` : `${options.minutes} minutes`}, seed ${options.seed}`);
  const world = await World.open({ ...options, directory, programs });
  let good = false;
  try {
    const historyFile = path.join(out, 'history.jsonl');
    const people = new People({ ...options, ...await openCluster(world), endpoints: world.nodes.map(({ id }) => world.endpoint(id)), ratePerSecond: options.rate, historyFile });
    await people.admitAll();
    people.start();
    await until(() => people.acknowledged.length > 0, recoveryMs);
    const done = await (options.kills ? kills : faults)(world, people);
    await sleep(1000);
    await people.stop();
    good = report(world, people, done, await check(world, historyFile));
  } finally {
    await world.close();
    keepLogs(world, good);
  }
  return good ? 0 : 1;
}

main().then((status) => process.exit(status), (error) => {
  console.error(`chaos: the run broke: ${error.stack}`);
  process.exit(1);
});
