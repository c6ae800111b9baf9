// The log, played again by nothing but docs/PROTOCOL.md: which polls were open when, which ballots stood, and what they come to.
// For the polls of a chaos run: one question "q", simple-majority, ballots may be replaced.

function compare(a, b) {
  return a.index - b.index || a.position - b.position;
}

class Poll {
  constructor(id, opened, closesAt, roll) {
    this.id = id;
    this.opened = opened; // {index, position}
    this.closesAt = closesAt;
    this.roll = roll; // Map member -> weight
    this.closed = null; // the index
    this.ballots = new Map(); // member -> [ballot, ...], in the order of the log
    this.changes = []; // [ballot, the one it replaces or null], in the order of the log
  }

  add(ballot) {
    const of = this.ballots.get(ballot.member) ?? [];
    this.changes.push([ballot, of.at(-1) ?? null]);
    this.ballots.set(ballot.member, [...of, { ...ballot, ordinal: of.length + 1 }]);
  }

  // The member's ballot as of a log index; null for none.
  ballotAt(member, index) {
    return (this.ballots.get(member) ?? []).filter((ballot) => ballot.index <= index).at(-1) ?? null;
  }

  // {yes: [heads, weight], no, abstain, ballots} as of a log index.
  tallyAt(index) {
    const tally = { yes: [0, 0], no: [0, 0], abstain: [0, 0], ballots: 0 };
    const count = (ballot, sign) => {
      tally[ballot.answer][0] += sign;
      tally[ballot.answer][1] += sign * this.roll.get(ballot.member);
      tally.ballots += sign;
    };
    for (const [ballot, replaced] of this.changes) {
      if (ballot.index > index) break;
      count(ballot, 1);
      if (replaced) count(replaced, -1);
    }
    return tally;
  }

  // simple-majority: yes > 1/2 of yes and no, by weight; at least half of the heads must have answered.
  outcome() {
    const { yes, no, ballots } = this.tallyAt(Infinity);
    if (2 * ballots < this.roll.size) return 'no_quorum';
    return 2 * yes[1] > yes[1] + no[1] ? 'passed' : 'failed';
  }
}

export class Replay {
  // entries: [{index, time, closes, commands: [{author, nonce, notAfter, kind, body, code}]}], whole and in order
  constructor(entries) {
    this.problems = [];
    this.polls = new Map();
    this.members = new Map(); // id -> weight
    this.decided = new Map(); // "author:nonce" -> {index, position, code, kind}
    this.last = 0;
    for (const entry of entries) this.play(entry);
  }

  problem(text) {
    this.problems.push(text);
  }

  play(entry) {
    if (entry.index !== this.last + 1) this.problem(`the log has entry ${entry.index} after ${this.last}`);
    this.last = entry.index;
    for (const id of entry.closes) this.close(id, entry);
    entry.commands.forEach((command, position) => this.decide(command, { index: entry.index, position, time: entry.time }));
  }

  close(id, { index, time }, byDeadline = true) {
    const poll = this.polls.get(id);
    if (!poll || poll.closed !== null) this.problem(`entry ${index} closes ${id}, which is not open`);
    else if (byDeadline && time < poll.closesAt) this.problem(`entry ${index} closes ${id} before its deadline`);
    else poll.closed = index;
  }

  decide({ author, nonce, notAfter, kind, body, code }, place) {
    const identity = `${author}:${nonce}`;
    const earlier = this.decided.get(identity);
    if (earlier) {
      if (earlier.code !== code) this.problem(`a copy of ${identity} was decided ${code}, at first ${earlier.code}`);
      return;
    }
    this.decided.set(identity, { ...place, code, kind });
    if (code === 'ok' && place.time > notAfter) this.problem(`${identity} was accepted after its time`);
    if (kind === 'genesis') this.members.set(body.chair.id, 1);
    else if (kind === 'ballot.cast') this.cast(author, nonce, body, code, place);
    else if (code === 'ok') this.govern(kind, body, place);
  }

  govern(kind, body, place) {
    if (kind === 'member.admit') this.members.set(body.id, body.weight ?? 1);
    if (kind === 'poll.open') this.polls.set(body.id, new Poll(body.id, place, body.closes_at ?? place.time + body.open_for_ms, new Map(this.members)));
    if (kind === 'poll.close') this.close(body.id, place, false);
  }

  cast(member, nonce, body, code, place) {
    const poll = this.polls.get(body.poll);
    const open = poll && poll.closed === null && place.time <= poll.closesAt;
    if (code === 'ok') {
      if (!open || !poll.roll.has(member)) this.problem(`entry ${place.index} takes a ballot of ${member} for ${body.poll}, which is not open to it`);
      else poll.add({ member, nonce, ...place, answer: body.answers[0].a, why: body.answers[0].why });
    } else if (open || code !== 'poll_closed') {
      this.problem(`entry ${place.index} refuses a ballot of ${member} for ${body.poll} (${code}), which was open`);
    }
  }
}

export { compare };
