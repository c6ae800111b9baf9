// Runs the commands of docs/OPERATIONS.md that are marked for it on a live cluster, and compares what they print with what stands there.
// The document itself says how it is marked.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Cluster, binaryDirectory, run, sourceDirectory } from './support/cluster.mjs';

// [{task, steps: [{command, status, prints, hidden, line}]}] in the document's order.
function readTasks(text) {
  const tasks = [];
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const heading = /^### (.*)$/.exec(lines[i]);
    const hidden = /^<!-- (before|after): (.*) -->$/.exec(lines[i]);
    const fence = /^```(\S.*)$/.exec(lines[i]);
    if (heading) tasks.push({ task: heading[1], steps: [] });
    if (hidden) tasks.at(-1).steps.push({ command: hidden[2], status: 0, prints: [], hidden: hidden[1], line: i + 1 });
    if (!fence) continue;
    const line = i + 1;
    const content = [];
    while (lines[++i] !== '```') {
      assert.ok(i < lines.length, `line ${line}: the block has no end`);
      content.push(lines[i]);
    }
    const marked = /^sh run(?:=(\d+))?$/.exec(fence[1]);
    if (marked) tasks.at(-1).steps.push({ command: content.join('\n'), status: Number(marked[1] ?? 0), prints: [], line });
    else if (fence[1] === 'text prints') tasks.at(-1).steps.at(-1).prints = content;
    else assert.ok(!fence[1].includes('run'), `line ${line}: "${fence[1]}" is no mark`);
  }
  return tasks.filter((task) => task.steps.length > 0);
}

// Does each line come, in order? `...` stands for anything within a line.
function matches(printed, wanted) {
  const rest = printed.split('\n').map((line) => line.trim());
  return wanted.every((line) => {
    const pattern = new RegExp(`^${line.trim().split('...').map((part) => part.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&').replace(/ +/g, ' +')).join('.*')}$`);
    const at = rest.findIndex((one) => pattern.test(one));
    if (at >= 0) rest.splice(0, at + 1);
    return at >= 0;
  });
}

test('the runbook', { timeout: 600_000 }, async (t) => {
  const tasks = readTasks(fs.readFileSync(path.join(sourceDirectory, 'docs/OPERATIONS.md'), 'utf8'));
  assert.ok(tasks.length >= 9 && tasks.flatMap((task) => task.steps).length >= 20);
  const cluster = await Cluster.start(t, 3);

  // `cluster/local` by its name, for this cluster.
  const home = path.join(cluster.directory, 'runbook');
  fs.mkdirSync(path.join(home, 'cluster'), { recursive: true });
  fs.writeFileSync(path.join(home, 'cluster/local'),
    `#!/bin/sh\nexec '${sourceDirectory}/cluster/local' --dir '${cluster.data}' --port ${cluster.portBase} "$@"\n`, { mode: 0o755 });
  // Nodes of a restored cluster that a failed task left.
  t.after(() => {
    for (const node of [1, 2, 3]) {
      try {
        process.kill(Number(fs.readFileSync(path.join(home, `new/node${node}.pid`), 'utf8')), 'SIGKILL');
      } catch { /* it has ended, or was never started */ }
    }
  });
  const environment = {
    CONCLAVE_BIN_DIR: binaryDirectory,
    CONCLAVE_ENDPOINTS: cluster.endpoints(),
    CONCLAVE_KEY: path.join(cluster.data, 'chair.key'),
    PATH: `${binaryDirectory}:${process.env.PATH}`,
    DIRECTORY: home,
    ...Object.fromEntries([1, 2, 3].flatMap((node) => [[`PEER${node}`, `127.0.0.1:${cluster.portBase + node}`], [`CLIENT${node}`, cluster.endpoint(node)]])),
    PORT4: String(cluster.portBase + 4),
    CLIENT4: String(cluster.portBase + 104),
    ...Object.fromEntries([1, 2, 3].map((node) => [`HTTP${node}`, `http://${cluster.httpAddress(node)}`])),
  };

  for (const { task, steps } of tasks) {
    await t.test(task, async () => {
      for (const step of steps) {
        const deadline = Date.now() + 20_000;
        for (;;) {
          const { status, out, error } = await run('bash', ['-c', step.command], { directory: home, environment });
          if (status === step.status && matches(out, step.prints)) break;
          // A look may come too early; what changes something is not done twice.
          if (Date.now() > deadline || step.prints.length === 0) {
            assert.fail(`docs/OPERATIONS.md:${step.line}: ${step.command}\nended with ${status}, printed:\n${out}${error}\nwanted ${step.status} and:\n${step.prints.join('\n')}`);
          }
          await new Promise((resolve) => setTimeout(resolve, 200)); // between two looks
        }
      }
    });
  }
});

test('a line that does not come is noticed', () => {
  assert.ok(matches('a  b\nc d\n', ['a b', 'c ...']));
  assert.ok(!matches('c d\na b\n', ['a b', 'c ...']), 'in order');
  assert.ok(!matches('a b\n', ['a']), 'the whole line');
});
