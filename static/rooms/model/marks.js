// @ts-check
// Small marks of the Model room: a probability before and after, a figure before and after on one axis, counts as bars.

import { escapeText } from '../../basics/text.js';

export const text = value => escapeText(String(value ?? ''));
export const count = value => Number(value ?? 0).toLocaleString('en');
export const words = name => text(String(name).replaceAll('_', ' '));
export const some = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

const percent = value => `${(100 * Math.max(0, Math.min(1, value))).toFixed(1)}%`;
const round = value => Number(value).toFixed(2);

// Probability of being bad: a hollow mark for before, a filled mark for now, and a tick for the cut.
export function shift(before, after, cut = 0.5) {
  const was = before === null ? '' : `<i class="from" style="left:${percent(before)}"></i>`;
  const [low, high] = before === null ? [after, after] : [Math.min(before, after), Math.max(before, after)];
  const told = before === null ? `probability of being bad ${round(after)}, none before` : `probability of being bad ${round(before)} before, ${round(after)} now`;
  return `<span class="shift ${before !== null && after < before ? 'down' : 'up'}" role="img" aria-label="${told}" title="${told}"><i class="cut" style="left:${percent(cut)}"></i>
    <i class="way" style="left:${percent(low)};width:${percent(high - low)}"></i>${was}<i class="to" style="left:${percent(after)}"></i></span>`;
}

export function reasonsHtml(names, colours) {
  return names.map(name => `<span class="reason"><i class="swatch" style="background:${colours[name] || 'var(--muted)'}"></i>${words(name)}</span>`).join(' ');
}

export const figureText = figure => (figure ? `<b>${round(figure.value)}</b>` : '<span class="muted" aria-label="no value">–</span>');
export const between = figure => (figure ? `${round(figure.low)} to ${round(figure.high)}` : '');

export function differenceText(figure) {
  if (!figure) return '<span class="muted">–</span>';
  const clear = figure.low > 0 || figure.high < 0;
  const sign = figure.value > 0 ? '+' : figure.value < 0 ? '−' : '±';
  return `<span class="${clear ? (figure.value > 0 ? 'good' : 'bad') : 'muted'}">${sign}${Math.abs(figure.value).toFixed(2)}</span>`;
}

// A figure on an axis from 0 to 1: before (hollow, above) and after (filled, below), each with its interval.
export function pair(figure, name) {
  const mark = (one, kind) => (one ? `<i class="whisker ${kind}" style="left:${percent(one.low)};width:${percent(one.high - one.low)}"></i><i class="point ${kind}" style="left:${percent(one.value)}"></i>` : '');
  const say = (one, when) => (one ? `${when} ${round(one.value)}, 95 % interval ${between(one)}` : `${when}: not defined`);
  const told = `${name}: ${say(figure.before, 'before')}; ${say(figure.after, 'now')}${figure.difference ? `; difference ${round(figure.difference.value)}, ${between(figure.difference)}` : ''}`;
  return `<span class="pair" role="img" aria-label="${text(told)}" title="${text(told)}"><i class="tick" style="left:50%"></i>${mark(figure.before, 'before')}${mark(figure.after, 'after')}</span>`;
}

// A count: now as a bar, before as a tick on it.
export function bar(now, before, most, colour, name) {
  const told = `${name}: ${count(now)} images now${before === null ? '' : `, ${count(before)} before`}`;
  const tick = before === null ? '' : `<s style="left:${percent(before / most)}"></s>`;
  return `<span class="bar" role="img" aria-label="${text(told)}" title="${text(told)}"><i style="width:${percent(now / most)};background:${colour}"></i>${tick}</span>`;
}

