// The command line of tests/chaos/run.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { lasting, passing } from './nemeses.mjs';

export const names = [...passing.map(([, { name }]) => name), ...lasting.map(({ name }) => name)];

const usage = `usage: tests/chaos/run [--nodes 3|5] [--minutes N] [--seed N] [--voters N] [--rate N] [--only NAME,...] [--recovery N] [--out DIR]
       tests/chaos/run --kills N [--nodes 3|5] [--out DIR]

Runs a cluster of real nodes on hosts of their own, breaks them, and checks what every client saw.

  --nodes N      3 or 5 [5]
  --minutes N    how long faults happen [3]
  --seed N       decides which faults come when and what the clients do; printed at the start [by chance]
  --voters N     [120]
  --rate N       operations a second of all clients together, as far as the cluster answers [100]
  --only NAMES   only these faults:
                 ${names.slice(0, 9).join(' ')}
                 ${names.slice(9).join(' ')}
  --recovery N   seconds within which a ballot must be acknowledged once a fault is undone [10]: ten election timeouts are 3 s,
                 the rest is for connections that were cut off, which are given up after 5 s of silence
  --kills N      nothing but N times kill -9 of the leader: how long until the next ballot is acknowledged
  --out DIR      keep report.txt, report.json, availability.svg, history.jsonl, finals.json and the nodes' log lines there

Prints a line for each fault and a verdict. Exit status: 0 nothing was lost, doubled, stale or wrong; 1 something was, or the run
broke; 2 wrong use; 77 this machine cannot run it (the sentence says why). It needs root, /dev/fuse, /dev/net/tun, iptables.`;

function number(values, key, low, high) {
  const value = Number(values[key]);
  if (!/^\d+(\.\d+)?$/.test(values[key]) || value < low || value > high) throw new Error(`--${key} is a number from ${low} to ${high}, not '${values[key]}'`);
  return value;
}

// Ends the process when the options are wrong, or when help was asked for.
export function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        nodes: { type: 'string', default: '5' }, minutes: { type: 'string', default: '3' }, seed: { type: 'string' },
        voters: { type: 'string', default: '120' }, rate: { type: 'string', default: '100' }, only: { type: 'string' },
        kills: { type: 'string' }, recovery: { type: 'string', default: '10' }, out: { type: 'string' }, help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) {
      console.log(usage);
      process.exit(0);
    }
    const nodes = number(values, 'nodes', 3, 5);
    if (nodes === 4) throw new Error('--nodes is 3 or 5, not 4');
    const only = values.only?.split(',');
    for (const name of only ?? []) {
      if (!names.includes(name)) throw new Error(`there is no fault '${name}': they are ${names.join(', ')}`);
    }
    return {
      nodes, only, out: values.out,
      minutes: number(values, 'minutes', 0.1, 100_000),
      seed: values.seed === undefined ? randomInt(2 ** 32) : number(values, 'seed', 0, Number.MAX_SAFE_INTEGER),
      voters: number(values, 'voters', 1, 900),
      rate: number(values, 'rate', 1, 100_000),
      recovery: number(values, 'recovery', 1, 3600),
      kills: values.kills === undefined ? 0 : number(values, 'kills', 1, 10_000),
    };
  } catch (error) {
    console.error(`tests/chaos/run: ${error.message}; --help says more`);
    process.exit(2);
  }
}
