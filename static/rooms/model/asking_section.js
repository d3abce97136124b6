// @ts-check
// "What to ask next", a section of the Model room: how good each model of this run was with the labels that it had, and the
// orders of the queue.

import { count, some, text } from './marks.js';
import { Section } from './section.js';

const WIDE = 460, HIGH = 210, LEFT = 40, BOTTOM = 44, TOP = 10, RIGHT = 12;
const FEW = 2;                 // a curve needs at least this many points

export async function section(box, model, tools) {
  const asking = new Asking(box, model, tools);
  await asking.load();
  return () => asking.close();
}

class Asking extends Section {
  constructor(box, model, tools) {
    super(box, model, tools, { parts: { state: 'ask-state', body: 'ask-body' }, follows: ['survey_version', 'new_prediction'], unread: 'The models could not be read' });
    box.setAttribute('aria-label', 'What to ask next');
    box.innerHTML = `<style>${STYLE}</style><div class="line"><h2>What to ask next</h2><span data-part="ask-state" role="status" class="muted"></span></div>
      <div data-part="ask-body"><p class="muted rows-none">Reading what the models were measured at…</p></div>`;
  }

  load() { return this.read('model/asking'); }

  fill() {
    const held = this.box.getRootNode().activeElement;
    const order = this.box.contains(held) ? held.dataset.order : '';
    this.part('ask-body').innerHTML = `<div class="asking"><div>${this.curveHtml()}</div><div>${this.ordersHtml()}</div></div>${measuredHtml()}`;
    if (order) this.box.querySelector(`[data-order="${order}"]`)?.focus();
  }

  curveHtml() {
    const { points } = this.found;
    if (points.length < FEW) return '<p class="muted rows-none">A curve appears here when two models of this run have been measured: F1 of exposures against the number of labelled exposures that taught each model. Retrain after more votes.</p>';
    const most = Math.max(...points.map(point => point.exposures), 1);
    const x = n => LEFT + (WIDE - LEFT - RIGHT) * (n / most);
    const y = value => TOP + (HIGH - TOP - BOTTOM) * (1 - value);
    const ticks = [0, 0.25, 0.5, 0.75, 1].map(value => `<path class="grid" d="M${LEFT} ${y(value)}H${WIDE - RIGHT}"/><text x="${LEFT - 6}" y="${y(value) + 4}" text-anchor="end">${value}</text>`).join('');
    const below = [0, Math.round(most / 2), most].map(n => `<text x="${x(n)}" y="${HIGH - BOTTOM + 16}" text-anchor="${n === most ? 'end' : 'middle'}">${count(n)}</text>`).join('');
    const whiskers = points.map(({ exposures, f1 }) => `<path class="whisker" d="M${x(exposures)} ${y(f1.low)}V${y(f1.high)}"/>`).join('');
    const line = points.map(({ exposures, f1 }, place) => `${place ? 'L' : 'M'}${x(exposures).toFixed(1)} ${y(f1.value).toFixed(1)}`).join('');
    const dots = points.map(point => `<circle class="${point.current ? 'now' : ''}" cx="${x(point.exposures)}" cy="${y(point.f1.value)}" r="4"><title>${text(this.told(point))}</title></circle>`).join('');
    return `<svg viewBox="0 0 ${WIDE} ${HIGH}" role="img" aria-label="F1 of exposures against labelled exposures: ${text(points.map(point => this.told(point)).join('; '))}">${ticks}${below}${whiskers}<path class="curve" d="${line}"/>${dots}
      <text x="${(LEFT + WIDE) / 2}" y="${HIGH - 10}" text-anchor="middle">labelled exposures that taught the model</text></svg>
      <p class="muted">F1 of exposures, 95 % intervals, on the ${some(points.at(-1).n, 'exposure')} that measure. The filled point is the model in use.</p>`;
  }

  told({ model, exposures, f1 }) { return `${model}: ${some(exposures, 'exposure')}, F1 ${f1.value.toFixed(2)} (${f1.low.toFixed(2)} to ${f1.high.toFixed(2)})`; }

  ordersHtml() {
    const { orders, order } = this.found;
    if (!orders.length) return '<p class="muted">Inspectors choose the order of their queue; in docs/asking.md is how many answers each order needs, measured on simulated surveys and on real ghosts.</p>';
    const rows = orders.map(one => `<button class="order" data-order="${one.name}" aria-pressed="${one.name === order}"><b>${text(one.name)}</b><span>${text(one.rule)}</span></button>`).join('');
    return `<div role="group" aria-label="Order of your queue" class="orders">${rows}</div>`;
  }

  async click(event) {
    const button = event.composedPath().find(node => node.tagName === 'BUTTON');
    if (!button) return;
    if (button.dataset.act === 'again') await this.load();
    if (!button.dataset.order) return;
    try {
      const { order } = await this.tools.post('api/queue/choices', { order: button.dataset.order });
      this.found.order = order;
      this.fill();
      this.part('ask-state').textContent = 'your queue is in this order from the next exposure on';
    } catch (error) { this.part('ask-state').textContent = error.message; }
  }
}

// Measurements that were made before and hold for all runs. docs/asking.md has the numbers and says how they were made.
function measuredHtml() {
  const figure = (name, words) => `<figure><img src="${new URL(`./figures/${name}.png`, import.meta.url)}" alt="${words}" loading="lazy"><figcaption class="muted">${words}</figcaption></figure>`;
  return `<details><summary>How many answers each order needs, as measured</summary>
    ${figure('asking', 'Simulated surveys: F1 of bad exposures, bad CCDs and reasons against labelled exposures, by order. Mean of nine loops; shaded: how they differ. Gain needs fewest answers for bad CCDs; uncertainty is behind chance on reasons.')}
    ${figure('asking-ghosts', 'Real ghosts, six loops: no order is clearly better than chance.')}</details>`;
}

const STYLE = `
.model .asking { display: grid; grid-template-columns: minmax(0, 560px) minmax(280px, 1fr); gap: 30px; align-items: start; }
.model .asking svg { display: block; width: 100%; height: auto; } .model .asking text { fill: var(--muted); font-size: 11px; }
.model .asking .grid { stroke: var(--line); } .model .asking .curve { fill: none; stroke: var(--accent); stroke-width: 1.5; } .model .asking .whisker { stroke: var(--muted); }
.model .asking circle { fill: var(--page); stroke: var(--accent); stroke-width: 1.5; } .model .asking circle.now { fill: var(--accent); }
.model .asking + details { margin-top: 16px; } .model details figure { margin: 12px 0; max-width: 1100px; } .model details figure img { width: 100%; border-radius: 6px; }
.model .orders { display: grid; gap: 4px; margin-bottom: 8px; max-width: 620px; }
.model .order { display: grid; grid-template-columns: 100px minmax(0, 1fr); gap: 10px; padding: 5px 9px; text-align: left; background: none; border: 1px solid transparent; } .model .order span { color: var(--muted); }
.model .order:hover { background: var(--raised); } .model .order[aria-pressed=true] { background: var(--raised); border-color: var(--control); }
@media (max-width: 1180px) { .model .asking { grid-template-columns: minmax(0, 1fr); } }`;
