// The people of a run: voters and a chair, each one thing at a time, on connections that they make anew whenever a node fails them.
// Everything they do goes into the history, one JSON object a line (docs/HACKING.md).
//
// A command is sent again, byte for byte, to any node, until it is answered or its time is over: then its outcome is `unknown`.
// A read that got no answer has no outcome and is left out.
import fs from 'node:fs';
import { Random } from './random.mjs';
import { Connection, keyOf, LostError, makeCommand, RpcError, seedOf } from './rpc.mjs';
import { nowUs, sleep } from './time.mjs';

const attemptMs = 2000;
const waitsMs = [40, 1000]; // between attempts
const patienceMs = { cast: 12_000, hasty: 300, read: 6000, chair: 60_000 };
const lifetimeMs = 20 * 3600 * 1000; // well within a day, though a clock be an hour off
const openPolls = 3;

// What a node says when it cannot serve now, or does not know what became of a command.
const passing = new Set(['no_leader', 'not_leader', 'unknown_outcome', 'busy', 'rate_limited', 'shutting_down', 'unreachable']);

class Client {
  constructor(people, name, key) {
    this.people = people;
    this.name = name;
    this.key = key;
    this.random = new Random(people.seed, `client/${name}`);
    this.count = 0;
    this.connection = null;
  }

  // One connection for all that a client does at once: a promise of it.
  connect() {
    this.connection ??= Connection.open(this.random.pick(this.people.endpoints));
    return this.connection;
  }

  // Gives a connection up, if it is the one in use still; the next call makes another.
  leave(opening = this.connection) {
    if (opening === null) return;
    opening.then((connection) => connection.close(), () => {}); // one that never opened needs no closing
    if (this.connection === opening) this.connection = null;
  }

  // Calls until there is an answer or the time is over (null). Throws what is neither: an answer that nothing explains.
  // `started` is told when an attempt begins. Who fails waits longer each time, and a node that answers is not left at once: a hundred
  // people who all connect anew whenever a leader dies would be a load of their own.
  async persist(method, params, timeMs, started = () => {}) {
    const deadline = nowUs() + timeMs * 1000;
    for (let waitMs = waitsMs[0]; nowUs() < deadline; waitMs = Math.min(2 * waitMs, waitsMs[1])) {
      started();
      const opening = this.connect();
      try {
        const connection = await opening;
        const limitMs = Math.max(1, Math.min(attemptMs, Math.ceil((deadline - nowUs()) / 1000)));
        return await connection.call(method, { ...params, timeout_ms: limitMs }, limitMs + 500);
      } catch (error) {
        if (error instanceof RpcError && !passing.has(error.code)) throw error;
        if (!(error instanceof RpcError) && !(error instanceof LostError)) throw error;
        if (error instanceof LostError || this.random.chance(0.3)) this.leave(opening);
        await sleep(this.random.between(waitMs / 2, waitMs));
      }
    }
    return null;
  }

  // Signs a command and has it decided: the line of the history.
  async submit(op, kind, body, timeMs, more = {}) {
    const { command, nonce } = makeCommand({
      cluster: this.people.cluster, author: this.name, key: this.key, kind, body, lifetimeMs });
    const line = { client: this.name, op, ...more, nonce, invoked: nowUs() };
    try {
      const reply = await this.persist('submit', { command }, timeMs);
      line.returned = nowUs();
      if (reply === null) {
        line.outcome = 'unknown';
      } else {
        Object.assign(line, { outcome: reply.code === 'ok' ? 'ok' : 'refused', code: reply.code, index: reply.index,
          position: reply.position, ballot: reply.result.ballot });
      }
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      line.returned = nowUs();
      Object.assign(line, { outcome: 'error', code: error.code, message: error.message });
    }
    this.people.note(line);
    return line;
  }

  // A linearizable read: `show` makes of the answer what is kept of it.
  async read(op, method, params, show) {
    const line = { client: this.name, op, ...params };
    try {
      const answer = await this.persist(method, params, patienceMs.read, () => { line.invoked = nowUs(); });
      if (answer === null) return null;
      line.returned = nowUs();
      Object.assign(line, { outcome: 'ok', index: answer.applied ?? answer.index, value: show(answer) });
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      line.returned = nowUs();
      if (error.code === 'not_found' || error.code.startsWith('unknown_')) Object.assign(line, { outcome: 'ok', value: null });
      else Object.assign(line, { outcome: 'error', code: error.code, message: error.message });
    }
    this.people.note(line);
    return line;
  }
}

// Of a ballot, a tally and a decision: what both checkers look at.
export const shown = {
  ballot: ({ ballot, index, position, answers }) => ({ ballot, at: index, position, answer: answers[0].a, why: answers[0].why }),
  tally: ({ state, questions: [{ yes, no, abstain, ballots }] }) => ({ state, ballots, yes, no, abstain }),
  decision: ({ outcome, index, tally: { yes, no, abstain, ballots } }) => ({ outcome, at: index, ballots, yes, no, abstain }),
};

export class People {
  // options: seed, endpoints, cluster, chairSeed, voters, ratePerSecond, historyFile
  constructor(options) {
    Object.assign(this, options);
    this.stopped = false;
    this.polls = []; // ids of those that are open, as far as the chair knows
    this.closed = []; // and of those that were closed
    this.pollCount = 0;
    this.lines = 0;
    this.acknowledged = []; // times at which a ballot was acknowledged
    this.listeners = new Set();
    this.errors = [];
    this.history = fs.createWriteStream(this.historyFile);
    this.chair = new Client(this, 'chair', keyOf(this.chairSeed));
    this.clients = Array.from({ length: this.voters }, (_, i) =>
      new Client(this, `voter-${i + 1}`, keyOf(seedOf(`${this.seed}/key/${i + 1}`))));
  }

  note(line) {
    this.history.write(`${JSON.stringify(line)}\n`);
    this.lines++;
    if (line.outcome === 'error') this.errors.push(`${line.client}: ${line.op}: ${line.message}`);
    if (line.op === 'cast' && line.outcome === 'ok') {
      this.acknowledged.push(line.returned);
      for (const listener of this.listeners) listener(line);
    }
  }

  // The time at which the first ballot was acknowledged that was sent after `sinceUs`; null if none is in time.
  nextBallot(sinceUs, timeoutMs) {
    return new Promise((resolve) => {
      const end = (value) => {
        clearTimeout(timer);
        this.listeners.delete(listener);
        resolve(value);
      };
      const listener = (line) => {
        if (line.invoked >= sinceUs) end(line.returned);
      };
      const timer = setTimeout(() => end(null), timeoutMs);
      this.listeners.add(listener);
    });
  }

  // Members, and the first polls. Weights of 1 to 5, so that a ballot in another's place shows.
  async admitAll() {
    const random = new Random(this.seed, 'weights');
    await Promise.all(this.clients.map(async ({ name, key }) => {
      const weight = random.between(1, 5);
      const line = await this.chair.submit('admit', 'member.admit',
        { id: name, key: key.publicKey, weight }, patienceMs.chair, { member: name, weight });
      if (line.outcome !== 'ok') throw new Error(`${name} was not admitted: ${line.outcome} ${line.code ?? ''}`);
    }));
    while (this.polls.length < openPolls) await this.openPoll();
  }

  async openPoll() {
    const id = `poll-${++this.pollCount}`;
    const line = await this.chair.submit('open', 'poll.open', {
      id, title: `Poll ${this.pollCount}`, open_for_ms: this.chair.random.between(15, 60) * 1000,
      questions: [{ id: 'q', title: 'Shall we?', policy: 'simple-majority' }],
    }, patienceMs.chair, { poll: id });
    if (line.outcome === 'ok') this.polls.push(id);
  }

  async closePoll(id) {
    await this.chair.submit('close', 'poll.close', { id }, patienceMs.chair, { poll: id });
  }

  // The chair keeps some polls open, closes one by hand now and then, and learns which have closed by their deadline.
  async preside() {
    while (!this.stopped) {
      await sleep(1000);
      const answer = await this.chair.persist('poll.list', { state: 'open' }, patienceMs.chair);
      if (answer === null) continue;
      const open = new Set(answer.items.map(({ id }) => id));
      this.closed.push(...this.polls.filter((id) => !open.has(id)));
      this.polls = this.polls.filter((id) => open.has(id));
      if (this.polls.length > 0 && this.chair.random.chance(0.05)) await this.closePoll(this.chair.random.pick(this.polls));
      while (this.polls.length < openPolls && !this.stopped) await this.openPoll();
    }
  }

  async act(client) {
    const { random } = client;
    const poll = random.pick(this.polls);
    const what = random.weighted([[60, 'cast'], [20, 'ballot'], [15, 'tally'], [5, 'decision']]);
    if (what === 'cast' && poll) {
      const answer = random.weighted([[45, 'yes'], [40, 'no'], [15, 'abstain']]);
      const why = `${client.name}#${++client.count}`;
      await client.submit('cast', 'ballot.cast', { poll, answers: [{ q: 'q', a: answer, why }] },
        random.chance(0.2) ? patienceMs.hasty : patienceMs.cast, { poll, answer, why });
    } else if (what === 'ballot' && poll) {
      const member = random.chance(0.5) ? client.name : random.pick(this.clients).name;
      await client.read('ballot', 'ballot.get', { poll, member }, shown.ballot);
    } else if (what === 'tally' && poll) {
      await client.read('tally', 'tally', { poll }, shown.tally);
    } else if (what === 'decision' && this.closed.length > 0) {
      await client.read('decision', 'decision.get', { poll: random.pick(this.closed.slice(-5)), question: 'q' }, shown.decision);
    }
  }

  async live(client) {
    const meanMs = (1000 * this.voters) / this.ratePerSecond;
    await sleep(client.random.real() * meanMs);
    while (!this.stopped) {
      await this.act(client);
      if (client.random.chance(0.05)) client.leave(); // to another node
      await sleep(-Math.log(1 - client.random.real()) * meanMs);
    }
    client.leave();
  }

  start() {
    this.running = Promise.all([this.preside(), ...this.clients.map((client) => this.live(client))]);
    this.running.catch((error) => this.errors.push(`a client broke: ${error.stack}`));
  }

  // Returns when every client has ended, all polls are closed, so that nothing changes any more, and the history is written.
  async stop() {
    this.stopped = true;
    await this.running;
    const answer = await this.chair.persist('poll.list', { state: 'open' }, patienceMs.chair);
    for (const { id } of answer?.items ?? []) await this.closePoll(id);
    this.chair.leave();
    await new Promise((resolve) => this.history.end(resolve));
  }
}
