// The first checker: holds a history against the log. Each answer carries its log index, so everything is checked exactly, in one pass:
// writes stand where they were said to stand, once; reads show what the log had there; and nothing acknowledged before an operation
// began comes after it. Returns {problems, counts}.

// What stands beside each operation when everything is put in the order of time: `floor`, the greatest index that anybody had been told of before it began.
function withFloors(history) {
  const events = [];
  for (const line of history) {
    events.push({ time: line.invoked, line, begins: true });
    if (line.outcome === 'ok' && Number.isInteger(line.index)) events.push({ time: line.returned, line, begins: false });
  }
  // At the same microsecond, nothing follows from the order: beginnings come first.
  events.sort((a, b) => a.time - b.time || Number(b.begins) - Number(a.begins));
  const floors = new Map();
  let floor = 0;
  for (const { line, begins } of events) {
    if (begins) floors.set(line, floor);
    else floor = Math.max(floor, line.index);
  }
  return floors;
}

const name = (line) => `${line.client} ${line.op} ${line.why ?? line.poll ?? ''} (${(line.invoked / 1e6).toFixed(3)} s)`;
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

class Checker {
  constructor(replay, history) {
    this.replay = replay;
    this.history = history;
    this.problems = [];
    this.counts = { acknowledged: 0, unknown: 0, refused: 0, reads: 0, lost: 0, doubled: 0, stale: 0, wrong: 0 };
  }

  bad(kind, text) {
    this.counts[kind]++;
    this.problems.push(`${kind}: ${text}`);
  }

  write(line, floor) {
    const decided = this.replay.decided.get(`${line.client}:${line.nonce}`);
    if (line.outcome === 'unknown') {
      this.counts.unknown++;
      return;
    }
    if (line.op === 'cast') this.counts[line.outcome === 'ok' ? 'acknowledged' : 'refused']++;
    if (!decided) {
      this.bad('lost', `${name(line)} was answered ${line.code} at ${line.index}, and is not in the log`);
      return;
    }
    if (decided.index !== line.index || decided.position !== line.position || decided.code !== line.code) {
      this.bad('wrong', `${name(line)} was answered ${line.code} at ${line.index}.${line.position}; the log has ${decided.code} at ${decided.index}.${decided.position}`);
    }
    if (line.index <= floor) this.bad('stale', `${name(line)} stands at ${line.index}, but ${floor} was known before it began`);
    if (line.op === 'cast' && line.outcome === 'ok') this.ballotNumber(line);
  }

  // Of a ballot that took effect twice, or of one that took none, the number tells.
  ballotNumber(line) {
    const poll = this.replay.polls.get(line.poll);
    const ballot = (poll?.ballots.get(line.client) ?? []).find(({ nonce }) => nonce === line.nonce);
    if (!ballot) this.bad('lost', `${name(line)} was acknowledged, and the log has no such ballot in force`);
    else if (ballot.ordinal !== line.ballot) this.bad('doubled', `${name(line)} was told to be ballot ${line.ballot}, and is ${ballot.ordinal}`);
    else if (ballot.answer !== line.answer || ballot.why !== line.why) this.bad('wrong', `${name(line)}: the log has ${ballot.answer} ${ballot.why}`);
  }

  // A read that shows an index: what the log had there. One that found nothing tells no index: nothing known before may be there.
  read(line, floor) {
    this.counts.reads++;
    const poll = this.replay.polls.get(line.poll);
    if (line.value === null) {
      this.absent(line, floor, poll);
      return;
    }
    if (line.index < floor) this.bad('stale', `${name(line)} shows ${line.index}, but ${floor} was known before it began`);
    const shows = { ballot: () => this.ballotAt(poll, line), tally: () => this.tallyAt(poll, line), decision: () => this.decisionAt(poll, line) }[line.op]();
    if (!same(shows, line.value)) this.bad('wrong', `${name(line)} at ${line.index} shows ${JSON.stringify(line.value)}; by the log ${JSON.stringify(shows)}`);
  }

  absent(line, floor, poll) {
    const there = {
      ballot: () => poll?.ballotAt(line.member, floor),
      tally: () => poll && poll.opened.index <= floor,
      decision: () => poll && poll.closed !== null && poll.closed <= floor,
    }[line.op]();
    if (there) this.bad('stale', `${name(line)} found nothing; the log has it before ${floor}, which was known`);
  }

  ballotAt(poll, { member, index }) {
    const ballot = poll?.ballotAt(member, index);
    return ballot ? { ballot: ballot.ordinal, at: ballot.index, position: ballot.position, answer: ballot.answer, why: ballot.why } : null;
  }

  tallyAt(poll, { index }) {
    if (!poll || poll.opened.index > index) return null;
    const { yes, no, abstain, ballots } = poll.tallyAt(index);
    return { state: poll.closed !== null && poll.closed <= index ? 'closed' : 'open', ballots, yes, no, abstain };
  }

  decisionAt(poll, { index }) {
    if (!poll || poll.closed === null || poll.closed > index) return null;
    const { yes, no, abstain, ballots } = poll.tallyAt(index);
    return { outcome: poll.outcome(), at: poll.closed, ballots, yes, no, abstain };
  }

  // Every ballot in force is one that somebody cast.
  phantoms() {
    const cast = new Set(this.history.filter(({ op }) => op === 'cast').map(({ client, nonce }) => `${client}:${nonce}`));
    for (const poll of this.replay.polls.values()) {
      for (const [ballot] of poll.changes) {
        if (!cast.has(`${ballot.member}:${ballot.nonce}`)) this.bad('wrong', `nobody cast the ballot of ${ballot.member} at ${ballot.index}`);
      }
    }
  }
}

// finals: [{node, digest, applied, polls: {id: {tally, ballots: {member: shown ballot}, decision}}}], read from each node itself.
function checkFinals(checker, finals) {
  for (const { node, polls } of finals) {
    for (const [id, { tally, ballots, decision }] of Object.entries(polls)) {
      const poll = checker.replay.polls.get(id);
      const where = `node ${node}, ${id}`;
      const counted = checker.tallyAt(poll, { index: Infinity });
      if (!same(tally, counted)) checker.bad('wrong', `${where}: the tally is ${JSON.stringify(tally)}; a recount of the log gives ${JSON.stringify(counted)}`);
      const decided = checker.decisionAt(poll, { index: Infinity });
      if (!same(decision, decided)) checker.bad('wrong', `${where}: the decision is ${JSON.stringify(decision)}; by the log ${JSON.stringify(decided)}`);
      const members = new Set([...Object.keys(ballots), ...poll.ballots.keys()]);
      for (const member of members) {
        const expected = checker.ballotAt(poll, { member, index: Infinity });
        if (!same(ballots[member] ?? null, expected)) {
          checker.bad(ballots[member] ? 'wrong' : 'lost', `${where}: ${member} has ${JSON.stringify(ballots[member] ?? null)}; by the log ${JSON.stringify(expected)}`);
        }
      }
    }
    const missing = [...checker.replay.polls.keys()].filter((id) => !polls[id]);
    if (missing.length > 0) checker.bad('lost', `node ${node} does not have ${missing.join(' ')}`);
  }
  const digests = new Set(finals.map(({ applied, digest }) => `${applied} ${digest}`));
  if (digests.size > 1) checker.bad('wrong', `the nodes differ: ${[...digests].join(', ')}`);
}

export function checkExactly(replay, history, finals) {
  const checker = new Checker(replay, history);
  for (const text of replay.problems) checker.bad('wrong', text);
  for (const [line, floor] of withFloors(history)) {
    if (line.outcome === 'error') checker.bad('wrong', `${name(line)}: ${line.message}`);
    else if (line.nonce) checker.write(line, floor);
    else checker.read(line, floor);
  }
  checker.phantoms();
  checkFinals(checker, finals);
  return { problems: checker.problems, counts: checker.counts };
}
