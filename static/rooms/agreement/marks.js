// @ts-check
// Small marks of the Agreement room: a figure as a dot on its interval, a figure as text, months as a row of dots.

import { escapeText } from '../../basics/text.js';

export const text = value => escapeText(String(value));
export const count = value => Number(value).toLocaleString('en');
export const words = name => text(String(name).replaceAll('_', ' '));

// Where the axes start: at 0, or lower where an interval reaches below it.
export function axisFrom(figures) {
  const lowest = Math.min(0, ...figures.map(figure => figure?.low ?? figure?.value ?? 0));
  return lowest < -0.02 ? Math.max(-1, Math.floor(lowest * 4) / 4) : 0;
}

export function inWords(figure) {
  if (figure.value === null) return figure.why;
  const interval = figure.low === null ? '' : `, 95 % interval ${figure.low.toFixed(2)} to ${figure.high.toFixed(2)}`;
  return `${figure.value.toFixed(2)}${interval}, n = ${count(figure.n)}`;
}

export function value(figure) {
  return figure.value === null ? '<span class="few" aria-label="no value">–</span>' : `<b>${figure.value.toFixed(2)}</b>`;
}

export function interval(figure) {
  return figure.value === null || figure.low === null ? '' : `<span class="to">${figure.low.toFixed(2)} to ${figure.high.toFixed(2)}</span>`;
}

// A figure as a dot on its interval, on an axis that ends at 1. second : another figure, drawn as a hollow dot below it.
export function range(figure, from = 0, second = null, name = '') {
  const at = number => Math.max(0, Math.min(100, 100 * (number - from) / (1 - from)));
  const mark = (one, kind) => {
    if (!one || one.value === null) return '';
    const low = at(one.low ?? one.value);
    return `<i class="whisker ${kind}" style="left:${low}%;width:${at(one.high ?? one.value) - low}%"></i><i class="point ${kind}" style="left:${at(one.value)}%"></i>`;
  };
  const ticks = [0, 0.5].filter(tick => tick > from || from < 0).map(tick => `<i class="tick" style="left:${at(tick)}%"></i>`).join('');
  const why = figure.value === null && (!second || second.value === null);
  const label = [name, inWords(figure), second ? `bad: ${inWords(second)}` : ''].filter(Boolean).join('; ');
  return `<span class="range${second ? ' two' : ''}${why ? ' none' : ''}" role="img" aria-label="${text(label)}" title="${text(label)}">${ticks}${mark(figure, '')}${mark(second, 'hollow')}</span>`;
}

// Months from left to right. Months with too few exposures are short grey lines at the bottom.
export function months(rows, key, from) {
  const [width, height, foot] = [420, 112, 18];
  const step = width / Math.max(rows.length, 1);
  const y = number => 12 + (height - foot - 16) * (1 - Math.max(0, Math.min(1, (number - from) / (1 - from))));
  const marks = rows.map((row, index) => {
    const figure = row.figures[key];
    const x = (index + 0.5) * step;
    const told = `<title>${text(row.group)}: ${text(inWords(figure))}; ${count(row.n)} exposures</title>`;
    if (figure.value === null) return `<g class="few">${told}<line x1="${x}" x2="${x}" y1="${height - foot - 5}" y2="${height - foot}"/></g>`;
    const whisker = figure.low === null ? '' : `<line x1="${x}" x2="${x}" y1="${y(figure.low)}" y2="${y(figure.high)}"/>`;
    return `<g>${told}<rect x="${x - Math.max(step, 6) / 2}" y="0" width="${Math.max(step, 6)}" height="${height}" fill="transparent"/>${whisker}<circle cx="${x}" cy="${y(figure.value)}" r="${rows.length > 40 ? 2.6 : 3.5}"/></g>`;
  }).join('');
  const years = rows.map((row, index) => ({ year: row.group.slice(0, 4), x: index * step }))
    .filter((one, index, all) => index === 0 || one.year !== all[index - 1].year);
  let last = -Infinity;
  const labels = years.filter(one => one.x < width - 24 && one.x - last > 32 && ((last = one.x), true))
    .map(one => `<text x="${one.x + 1}" y="${height - 4}">${one.year}</text>`).join('');
  const grid = [0, 0.5, 1].filter(tick => tick >= from)
    .map(tick => `<line class="grid" x1="0" x2="${width}" y1="${y(tick)}" y2="${y(tick)}"/><text class="axis" x="${width - 1}" y="${y(tick) - 2}">${tick}</text>`).join('');
  return `<svg class="months" viewBox="0 0 ${width} ${height}" role="img" aria-label="By month, left to right: ${rows.length} months from ${text(rows[0].group)} to ${text(rows.at(-1).group)}">${grid}${marks}${labels}</svg>`;
}

// Share of bad answers by hundred votes, with its interval as a band.
export function spark(blocks) {
  const drawn = blocks.filter(block => block.bad.value !== null);
  if (drawn.length < 2) return `<span class="few">${drawn.length ? `${count(drawn[0].n)} so far` : '–'}</span>`;
  const [width, height] = [110, 24];
  const top = Math.max(0.1, ...drawn.map(block => block.bad.high));
  const x = index => 3 + index * (width - 6) / (drawn.length - 1);
  const y = number => height - 2 - (height - 4) * number / top;
  const line = drawn.map((block, index) => `${x(index)},${y(block.bad.value)}`).join(' ');
  const band = [...drawn.map((block, index) => `${x(index)},${y(block.bad.high)}`), ...drawn.map((block, index) => `${x(index)},${y(block.bad.low)}`).reverse()].join(' ');
  const told = drawn.map(block => `votes ${block.of} on: ${(100 * block.bad.value).toFixed(0)} % bad of ${block.n}`).join('; ');
  return `<svg class="spark" viewBox="0 0 ${width} ${height}" role="img" aria-label="${text(told)}"><title>${text(told)}</title><polygon points="${band}"/><polyline points="${line}"/>${drawn.map((block, index) => `<circle cx="${x(index)}" cy="${y(block.bad.value)}" r="1.8"/>`).join('')}</svg>`;
}
