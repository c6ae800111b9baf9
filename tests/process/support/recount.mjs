// An independent count: reads the exported log, decodes the commands itself, and counts the ballots that were accepted.
// It shares no code with the cluster: the envelope's format is docs/PROTOCOL.md's, decoded by npm's @msgpack/msgpack.
import { createRequire } from 'node:module';
import path from 'node:path';
import { sourceDirectory } from './cluster.mjs';

const clientDirectory = path.join(sourceDirectory, 'tests/process/second-client');
const { decode } = createRequire(path.join(clientDirectory, 'package.json'))('@msgpack/msgpack');

// The commands of an export (one JSON entry a line, "commands" with the base64url of each command and its code), in log order.
export function commandsOf(exported) {
  const commands = [];
  for (const line of exported.split('\n')) {
    if (line === '') continue;
    const entry = JSON.parse(line);
    if (!Array.isArray(entry.commands)) continue; // decisions, and the end
    for (const [position, command] of entry.commands.entries()) {
      const [envelope, signature] = decode(Buffer.from(command.command, 'base64url'));
      const [version, cluster, author, nonce, notAfter, kind, body] = decode(envelope);
      commands.push({
        index: Number(entry.index), position, code: command.code, envelope, signature, version, cluster, author,
        nonce: Buffer.from(nonce).toString('hex'), notAfter, kind, body,
      });
    }
  }
  return commands;
}

// Counts a yesno question of a poll whose members all have the weight 1 and may vote again: {yes, no, abstain, ballots: Map member -> answer, accepted: Map member -> times}.
export function recountYesNo(commands, poll, question) {
  const ballots = new Map();
  const accepted = new Map();
  const decided = new Set(); // a command that was sent again may stand in the log again: it counts once
  for (const command of commands) {
    if (command.kind !== 'ballot.cast' || command.code !== 'ok' || command.body.poll !== poll) continue;
    const identity = `${command.author}:${command.nonce}`;
    if (decided.has(identity)) continue;
    decided.add(identity);
    const answer = command.body.answers.find((entry) => entry.q === question);
    ballots.set(command.author, answer?.a);
    accepted.set(command.author, (accepted.get(command.author) ?? 0) + 1);
  }
  const count = (choice) => [...ballots.values()].filter((answer) => answer === choice).length;
  return { yes: count('yes'), no: count('no'), abstain: count('abstain'), ballots, accepted };
}
