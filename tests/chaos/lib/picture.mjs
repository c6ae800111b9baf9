// Availability as a picture: acknowledged ballots a second over time, with the faults drawn in.
import fs from 'node:fs';

const width = 1200;
const plot = { left: 60, top: 40, height: 220 };
const laneHeight = 15;

const escape = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');

function perSecond(times, count) {
  const bins = new Array(count).fill(0);
  for (const time of times) bins[Math.min(count - 1, Math.floor(time / 1e6))]++;
  return bins;
}

// A round number of about a fifth of the whole.
function step(whole) {
  const rough = whole / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
}

export function writePicture(file, { acknowledged, faults, options }) {
  const end = Math.ceil(Math.max(1, ...acknowledged.slice(-1), ...faults.map(({ ended }) => ended)) / 1e6) + 1;
  const bins = perSecond(acknowledged, end);
  const top = Math.max(5, ...bins);
  const x = (second) => plot.left + (second / end) * (width - plot.left - 20);
  const y = (value) => plot.top + plot.height * (1 - value / top);
  const kinds = [...new Set(faults.map(({ name }) => name))].sort();
  const lanesTop = plot.top + plot.height + 30;
  const height = lanesTop + kinds.length * laneHeight + 20;
  const parts = [`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${plot.left}" y="20" font-size="14">Acknowledged ballots a second: ${options.nodes} nodes, ${options.voters} voters, seed ${options.seed}</text>`];
  for (const { began, ended } of faults) {
    parts.push(`<rect x="${x(began / 1e6).toFixed(1)}" y="${plot.top}" width="${Math.max(1, x(ended / 1e6) - x(began / 1e6)).toFixed(1)}" height="${plot.height}" fill="#fbe3d6"/>`);
  }
  for (let value = 0; value <= top; value += step(top)) {
    parts.push(`<line x1="${plot.left}" x2="${width - 20}" y1="${y(value)}" y2="${y(value)}" stroke="#ddd"/>`,
      `<text x="${plot.left - 6}" y="${y(value) + 4}" text-anchor="end">${value}</text>`);
  }
  for (let second = 0; second <= end; second += step(end)) {
    parts.push(`<text x="${x(second)}" y="${plot.top + plot.height + 16}" text-anchor="middle">${second} s</text>`);
  }
  const points = bins.flatMap((value, second) => [`${x(second).toFixed(1)},${y(value).toFixed(1)}`, `${x(second + 1).toFixed(1)},${y(value).toFixed(1)}`]);
  parts.push(`<polyline points="${points.join(' ')}" fill="none" stroke="#1f5f99" stroke-width="1.2"/>`);
  kinds.forEach((kind, lane) => {
    const at = lanesTop + lane * laneHeight;
    parts.push(`<text x="2" y="${at + 10}" font-size="8">${escape(kind)}</text>`);
    for (const { began, ended, text } of faults.filter(({ name }) => name === kind)) {
      parts.push(`<rect x="${x(began / 1e6).toFixed(1)}" y="${at + 2}" width="${Math.max(2, x(ended / 1e6) - x(began / 1e6)).toFixed(1)}" height="${laneHeight - 5}" fill="#c0504d"><title>${escape(`${kind}: ${text ?? ''}`)}</title></rect>`);
    }
  });
  parts.push('</svg>');
  fs.writeFileSync(file, `${parts.join('\n')}\n`);
}
