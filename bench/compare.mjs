// bench/compare's second half: reads OUT/raw, prints the table of targets into OUT/table.md, draws OUT/*.svg. Ratios are taken round by
// round, between runs that stood next to each other in time; what is shown is their median, and all of them.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const out = process.argv[2];
const raw = join(out, 'raw');

// One sample a measurement: {part, round, system, clients, perSecond, p50, p99, ...}; times in ms.
function conclaveSamples(text, head) {
    return JSON.parse(text).map((run) => ({
        ...head,
        clients: run.connections,
        questions: run.questions,
        perSecond: run.per_second,
        p50: run.p50_us / 1000,
        p99: run.p99_us / 1000,
        anonymousKb: Math.max(0, ...run.nodes.map((node) => node.anonymous_kb)),
        nodeCores: run.nodes.map((node) => node.cores),
        stolen: run.steal_cores,
    }));
}

function anchorSamples(text, head) {
    const samples = [];
    for (const line of text.split('\n')) {
        const values = Object.fromEntries([...line.matchAll(/(\w+)=(\S+)/g)].map((match) => [match[1], match[2]]));
        if (values.ops_s === undefined || line.startsWith('fill') || values.mode === 'put') continue;
        samples.push({
            ...head,
            clients: Number(values.c),
            perSecond: Number(values.ops_s),
            p50: Number(values.p50_ms),
            p99: Number(values.p99_ms),
            stolen: Number(values.steal_cores ?? 0),
        });
    }
    return samples;
}

function readSamples() {
    const samples = [];
    for (const name of readdirSync(raw).sort()) {
        const match = /^(\w+)\.(\d+)\.(\w+)\.(json|txt)$/.exec(name);
        if (match === null) continue;
        const head = { part: match[1], round: Number(match[2]), system: match[3] };
        const text = readFileSync(join(raw, name), 'utf8');
        samples.push(...(match[4] === 'json' ? conclaveSamples(text, head) : anchorSamples(text, head)));
    }
    return samples;
}

function median(values) {
    const sorted = [...values].sort((a, b) => a - b);
    return sorted.length === 0 ? NaN : sorted[Math.floor((sorted.length - 1) / 2)];
}

const samples = readSamples();
const pick = (part, system, clients) =>
    samples.filter((sample) => sample.part === part && sample.system === system &&
        (clients === undefined || sample.clients === clients) && sample.round > 0);

// The value of each round: the best over the numbers of clients, or the one.
function perRound(part, system, value, clients, best = Math.max) {
    const rounds = new Map();
    for (const sample of pick(part, system, clients)) {
        const before = rounds.get(sample.round);
        rounds.set(sample.round, before === undefined ? value(sample) : best(before, value(sample)));
    }
    return rounds;
}

// Ratios of the rounds that both have.
function ratios(ours, theirs, factor = 1) {
    return [...ours].filter(([round]) => theirs.has(round)).map(([round, value]) => value * factor / theirs.get(round));
}

const format = (value) => (Number.isNaN(value) ? 'not run' : value >= 100 ? value.toFixed(0) : value.toPrecision(3));
const rows = [];

function row(what, target, values, reached, shown = '') {
    const middle = median(values);
    const verdict = values.length === 0 ? 'not run' : reached(middle) ? 'reached' : 'NOT REACHED';
    rows.push(`| ${what} | ${target} | ${format(middle)} | ${values.map(format).join(' ')} | ${shown} | ${verdict} |`);
}

const rate = (sample) => sample.perSecond;
const text = (part, system, value, clients) => format(median([...perRound(part, system, value, clients).values()]));

function ratioRows() {
    const ballots = perRound('ballots', 'three', rate);
    const votes = perRound('ballots', 'etcd', rate);
    const absolute = (part, system) => `${text(part, 'three', rate)} and ${text(part, system, rate)} a second`;
    row('ballots a second, best over the clients, of etcd\'s vote transaction', 'at least 2.5', ratios(ballots, votes),
        (ratio) => ratio >= 2.5, absolute('ballots', 'etcd'));
    row('the same, of the skeleton with two verify threads', 'at least 0.85', ratios(ballots, perRound('ballots', 'floor', rate)),
        (ratio) => ratio >= 0.85, absolute('ballots', 'floor'));
    const questions = perRound('questions', 'three', rate);
    row('answers a second, ballots of 24 questions, of etcd\'s vote transactions', 'at least 40', ratios(questions, votes, 24),
        (ratio) => ratio >= 40, `${text('questions', 'three', rate)} ballots a second`);
    row('one client, p50, of etcd\'s', 'at most 0.6', ratios(perRound('one', 'three', (sample) => sample.p50), perRound('one', 'etcd', (sample) => sample.p50)),
        (ratio) => ratio <= 0.6, `${text('one', 'three', (sample) => sample.p50)} and ${text('one', 'etcd', (sample) => sample.p50)} ms`);
    const p99 = (sample) => sample.p99;
    row('64 clients, p99, of etcd\'s', 'at most 0.25', ratios(perRound('ballots', 'three', p99, 64), perRound('ballots', 'etcd', p99, 64)),
        (ratio) => ratio <= 0.25, `${text('ballots', 'three', p99, 64)} and ${text('ballots', 'etcd', p99, 64)} ms`);
    row('linearizable reads a second, of etcd\'s', 'at least 10', ratios(perRound('reads', 'three', rate), perRound('reads', 'etcd', rate)),
        (ratio) => ratio >= 10, absolute('reads', 'etcd'));
}

function failoverRow() {
    const ours = existsSync(join(raw, 'failover_gaps_us'))
        ? readFileSync(join(raw, 'failover_gaps_us'), 'utf8').trim().split('\n').map((us) => Number(us) / 1000) : [];
    const theirs = existsSync(join(raw, 'failover.etcd.txt'))
        ? [...readFileSync(join(raw, 'failover.etcd.txt'), 'utf8').matchAll(/gap_ms=(\d+)/g)].map((match) => Number(match[1])) : [];
    const values = ours.length > 0 && theirs.length > 0 ? [median(ours) / median(theirs)] : [];
    row('kill -9 of the leader to the next acknowledged ballot, of etcd\'s', 'at most 0.25', values, (ratio) => ratio <= 0.25,
        `${ours.map(format).join(' ')} and ${theirs.map(format).join(' ')} ms`);
}

function sizeRows() {
    const stored = samples.find((sample) => sample.part === 'size' && sample.round === 0);
    row('ballots a second with many stored, of those with few', 'at least 0.95',
        ratios(perRound('size', 'full', rate), perRound('size', 'three', rate)), (ratio) => ratio >= 0.95,
        `${text('size', 'full', rate)} and ${text('size', 'three', rate)} a second`);
    const memory = pick('size', 'full').map((sample) => sample.anonymousKb / 1024);
    row('anonymous memory of a node with many stored, MB', 'at most 48', memory.length === 0 ? [] : [Math.max(...memory)],
        (mb) => mb <= 48, stored === undefined ? '' : `stored at ${format(stored.perSecond)} a second`);
    const file = join(raw, 'size.serving_ms');
    row('kill -9 of all three to serving, ms', 'under 1000 (10 million)', existsSync(file) ? [Number(readFileSync(file, 'utf8'))] : [],
        (ms) => ms < 1000, existsSync(join(raw, 'size.disk_kb')) ? `${format(Number(readFileSync(join(raw, 'size.disk_kb'), 'utf8')) / 1024)} MB on disk` : '');
}

// --- Pictures ---

const colours = { three: '#1b6ca8', five: '#6ca81b', full: '#a81b6c', etcd: '#d9822b', floor: '#777777' };
const names = { three: 'Conclave, 3 nodes', five: 'Conclave, 5 nodes', full: 'Conclave, many ballots stored', etcd: 'etcd', floor: 'bare skeleton' };

function scale(values, from, to) {
    const low = Math.log10(Math.min(...values)) - 0.1;
    const high = Math.log10(Math.max(...values)) + 0.1;
    const place = (value) => from + (to - from) * (Math.log10(value) - low) / (high - low);
    const ticks = [];
    for (let power = Math.floor(low); power <= Math.ceil(high); power++) {
        for (const step of [1, 2, 5]) {
            const value = step * 10 ** power;
            if (Math.log10(value) >= low && Math.log10(value) <= high) ticks.push(value);
        }
    }
    return { place, ticks };
}

function chart(file, title, xName, yName, series) {
    const points = series.flatMap((line) => line.points);
    if (points.length === 0) return;
    const [width, height, left, bottom, top, right] = [760, 460, 80, 400, 50, 560];
    const x = scale(points.map((point) => point[0]), left, right);
    const y = scale(points.map((point) => point[1]), bottom, top);
    const parts = [`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
        '<rect width="100%" height="100%" fill="white"/>', `<text x="${left}" y="28" font-size="16">${title}</text>`,
        `<text x="${(left + right) / 2}" y="${bottom + 45}" text-anchor="middle">${xName}</text>`,
        `<text transform="translate(22 ${(top + bottom) / 2}) rotate(-90)" text-anchor="middle">${yName}</text>`];
    for (const tick of x.ticks) {
        const at = x.place(tick).toFixed(1);
        parts.push(`<path d="M${at} ${top}V${bottom}" stroke="#ddd"/><text x="${at}" y="${bottom + 18}" text-anchor="middle">${tick}</text>`);
    }
    for (const tick of y.ticks) {
        const at = y.place(tick).toFixed(1);
        parts.push(`<path d="M${left} ${at}H${right}" stroke="#ddd"/><text x="${left - 6}" y="${Number(at) + 4}" text-anchor="end">${tick}</text>`);
    }
    series.filter((line) => line.points.length > 0).forEach((line, i) => {
        const places = line.points.map((point) => `${x.place(point[0]).toFixed(1)} ${y.place(point[1]).toFixed(1)}`);
        parts.push(`<path d="M${places.join('L')}" fill="none" stroke="${line.colour}" stroke-width="2"/>`);
        places.forEach((place, j) => {
            const [cx, cy] = place.split(' ');
            parts.push(`<circle cx="${cx}" cy="${cy}" r="4" fill="${line.colour}"/><text x="${Number(cx) + 6}" y="${Number(cy) - 6}" fill="${line.colour}">${line.labels?.[j] ?? ''}</text>`);
        });
        parts.push(`<rect x="${right + 12}" y="${top + 22 * i}" width="12" height="12" fill="${line.colour}"/><text x="${right + 30}" y="${top + 10 + 22 * i}">${line.name}</text>`);
    });
    parts.push('</svg>\n');
    writeFileSync(join(out, file), parts.join('\n'));
}

// The medians of a part and system, by clients.
function medians(part, system) {
    const clients = [...new Set(pick(part, system).map((sample) => sample.clients))].sort((a, b) => a - b);
    return clients.map((count) => {
        const chosen = pick(part, system, count);
        return { clients: count, perSecond: median(chosen.map(rate)), p50: median(chosen.map((sample) => sample.p50)), p99: median(chosen.map((sample) => sample.p99)) };
    });
}

function line(parts, system, point) {
    const found = parts.flatMap((part) => medians(part, system));
    return { name: names[system], colour: colours[system], points: found.map(point), labels: found.map((sample) => `${sample.clients}`) };
}

function draw() {
    const systems = ['three', 'etcd', 'floor'];
    const cost = (quantile) => (sample) => [sample.perSecond, sample[quantile]];
    for (const quantile of ['p50', 'p99']) {
        chart(`ballots_${quantile}.svg`, `Ballots: throughput against latency (${quantile}); labels are clients`, 'a second', `${quantile}, ms`,
            systems.map((system) => line(['one', 'ballots'], system, cost(quantile))));
        chart(`reads_${quantile}.svg`, `Linearizable reads: throughput against latency (${quantile})`, 'a second', `${quantile}, ms`,
            ['three', 'etcd'].map((system) => line(['reads'], system, cost(quantile))));
    }
    const byNodes = [['three', 3], ['five', 5]].flatMap(([system, count]) =>
        medians('nodes', system).map((sample) => ({ ...sample, count })));
    chart('nodes.svg', 'Ballots a second, 64 clients', 'nodes', 'a second',
        [{ name: 'Conclave', colour: colours.three, points: byNodes.map((sample) => [sample.count, sample.perSecond]) }]);
    chart('size.svg', 'With few and with many ballots stored, 256 clients, by round', 'round', 'a second', ['three', 'full'].map((system) => ({
        name: names[system], colour: colours[system], points: [...perRound('size', system, rate)] })));
}

ratioRows();
failoverRow();
sizeRows();
const stolen = samples.map((sample) => sample.stolen).filter((value) => value > 0.2).length;
const table = ['| what | target | median | each round | figures | |', '| --- | --- | --- | --- | --- | --- |', ...rows, '',
    `${samples.length} measurements; in ${stolen} of them the hypervisor took more than 0.2 cores.`, ''].join('\n');
writeFileSync(join(out, 'table.md'), table);
draw();
process.stdout.write(table);
