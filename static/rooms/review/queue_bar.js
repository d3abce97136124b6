// @ts-check
// The queue of the Review room: its order and packet. It reads the order again while the user votes, and tells the server
// which exposure is on screen, so that others get other exposures first.

import { askFor, read } from '../../basics/ask.js';
import { listen } from '../../frame/keys.js';
import { packetOf, packetText } from '../../basics/packet.js';
import { send, whyNot } from '../../basics/send.js';
import { escapeText } from '../../basics/text.js';
import { Turns } from '../../basics/turns.js';

const SOON = 4;   // the next exposures, which are fetched already, keep their places
const RENEW_AFTER = 15;        // votes
const LOOK_AGAIN = 60_000;     // a lease lives twice as long
const LONG = 24;               // most values of a facet that are buttons; more become a list
const NAMES = { score: 'most suspicious first', uncertainty: 'least certain first', gain: 'most to learn first', similar: 'similar in a row', night: 'night by night', random: 'at random', split: 'most divided votes first' };

// room : the Review room (review.js)
export function mountQueueBar(room) { return new QueueBar(room); }

class QueueBar {
  constructor(room) {
    this.room = room;
    this.given = 0;
    this.seen = room.votes[0];
    this.looking = null;
    this.questions = new Turns();
    this.choosing = new Turns();
    this.draw();
    this.watch = new MutationObserver(() => this.changed());
    this.watch.observe(room.box, { attributes: true, attributeFilter: ['data-expnum'] });
    this.saved = event => { if (!event.detail.waiting) this.count(); };
    window.addEventListener('triptych-saved', this.saved);
    this.again = setInterval(() => { this.told = null; this.changed(); }, LOOK_AGAIN);
    this.stopKeys = listen(key => {
      if (key !== 'o' || !room.visible() || document.querySelector('dialog[open]')) return false;
      this.open();
      return true;
    });
    this.unfollow = room.model.on?.('room', () => this.changed());
    this.load();
  }

  // ---- the button

  draw() {
    this.node = document.createElement('div');
    this.node.className = 'queue-bar';
    this.node.innerHTML = `<link rel="stylesheet" href="${new URL('./queue_bar.css', import.meta.url)}">
      <button type="button" aria-haspopup="dialog" hidden><span class="key">o</span><span class="text"></span></button>`;
    this.node.querySelector('button').addEventListener('click', event => { event.stopPropagation(); this.open(); });
    this.room.part('picture').parentElement.append(this.node);
  }

  show() {
    const button = this.node.querySelector('button');
    const packet = packetOf(this.choices.packet);
    const parts = [NAMES[this.choices.order] || this.choices.order, ...Object.values(packet).map(plainName)];
    button.querySelector('.text').textContent = parts.join(' · ');
    button.title = 'Order and packet of your queue';
    button.hidden = false;
  }

  async load() {
    const found = await this.questions.newest(() => askFor('api/queue/choices'));
    if (!found) return;
    this.choices = found;
    this.show();
    if (this.dialog?.open) this.fill();
  }

  // ---- choosing

  async open() {
    if (!this.choices) return;
    this.dialog?.remove();
    this.dialog = document.createElement('dialog');
    this.dialog.className = 'queue-choices';
    this.dialog.setAttribute('aria-labelledby', 'queue-choices-title');
    this.dialog.addEventListener('click', event => { if (event.target === this.dialog) this.dialog.close(); });
    this.dialog.addEventListener('close', () => { this.dialog?.remove(); this.dialog = null; });
    document.body.append(this.dialog);
    this.fill();
    this.dialog.showModal();
    this.dialog.querySelector('[aria-pressed=true]')?.focus();
    await this.load();
  }

  fill() {
    const held = document.activeElement?.dataset?.at;
    const { choices } = this;
    const packet = packetOf(choices.packet);
    const orders = choices.orders.map(({ name, rule }) => `<button type="button" data-at="order-${name}" data-order="${name}"
      aria-pressed="${name === choices.order}">${escapeText(NAMES[name] || name)}<small>${escapeText(rule)}</small></button>`).join('');
    const facets = choices.facets.filter(({ values }) => values.length > 1 || packet[values[0]?.name]).map(facet => this.facet(facet, packet)).join('');
    const assigned = choices.assigned ? `<p>Your lead gave you the packet <b>${escapeText(Object.values(packetOf(choices.assigned)).map(plainName).join(' · '))}</b>.
      ${choices.assigned === choices.packet ? '' : `<button type="button" class="quiet" data-at="assigned" data-packet="${escapeText(choices.assigned)}">Take it</button>`}</p>` : '';
    this.dialog.innerHTML = `<link rel="stylesheet" href="${new URL('./queue_bar.css', import.meta.url)}">
      <header><h1 id="queue-choices-title">Your queue</h1><button type="button" class="quiet" data-at="close" data-close>Close <span class="key">Esc</span></button></header>
      <p>Your choice is for you alone. Each inspector's sequence differs within an order, so that the exposures seen before do not sway all inspectors in the same way.</p>
      <h2>Order</h2><div class="orders">${orders}</div>
      <h2>Packet</h2>${assigned}
      <div class="facets"><button type="button" data-at="all" data-packet="" aria-pressed="${!choices.packet}">everything <small>${choices.left.toLocaleString('en')} of ${choices.n.toLocaleString('en')} left</small></button></div>
      ${facets}
      <p class="problem" role="alert" hidden></p>`;
    for (const button of this.dialog.querySelectorAll('button')) button.addEventListener('click', () => this.press(button));
    for (const list of this.dialog.querySelectorAll('select')) list.addEventListener('change', () => this.pick(list.dataset.facet, list.value));
    if (held) this.dialog.querySelector(`[data-at="${CSS.escape(held)}"]`)?.focus();
  }

  facet({ name, label, values }, packet) {
    const text = ({ n, left }) => `${left.toLocaleString('en')} of ${n.toLocaleString('en')}`;
    if (values.length > LONG) {
      const options = values.map(one => `<option value="${escapeText(one.value)}" ${packet[name] === one.value ? 'selected' : ''}>${escapeText(plainName(one.value))} (${text(one)} left)</option>`);
      return `<h3 id="queue-${name}">${escapeText(label)}</h3><select data-at="facet-${name}" data-facet="${name}" aria-labelledby="queue-${name}"><option value="">any</option>${options.join('')}</select>`;
    }
    const buttons = values.map(one => `<button type="button" data-at="${name}-${escapeText(one.value)}" data-facet="${name}" data-value="${escapeText(one.value)}"
      aria-pressed="${packet[name] === one.value}">${escapeText(plainName(one.value))} <small>${text(one)}</small></button>`);
    return `<h3 id="queue-${name}">${escapeText(label)}</h3><div class="facets" role="group" aria-labelledby="queue-${name}">${buttons.join('')}</div>`;
  }

  press(button) {
    const { order, packet, facet, value } = button.dataset;
    if (button.dataset.close !== undefined) return this.dialog.close();
    if (order) return this.choose({ order });
    if (packet !== undefined) return this.choose({ packet });
    if (facet) this.pick(facet, button.getAttribute('aria-pressed') === 'true' ? '' : value);
  }

  pick(facet, value) {
    const packet = packetOf(this.choices.packet);
    if (value) packet[facet] = value; else delete packet[facet];
    this.choose({ packet: packetText(packet) });
  }

  async choose(values) {
    const counts = this.choosing.begin();
    let problem = 'No answer from the server; try again.';
    try {
      const response = await send('api/queue/choices', values);
      problem = response.ok ? '' : await whyNot(response);
      if (response.ok) {
        this.questions.act();
        const found = await read(response);
        if (!counts()) return;
        this.choices = found;
      }
    } catch { /* said below */ }
    if (problem) {
      /** @type {HTMLElement} */
      const line = this.dialog?.querySelector('.problem');
      if (line) { line.hidden = false; line.textContent = problem; }
      return;
    }
    this.show();
    if (this.dialog?.open) this.fill();
    await this.room.load();
    this.room.skipped.clear();
    if (this.room.queue.length) this.room.open(this.room.queue[0]); else this.room.finish();
  }

  // ---- while the user votes

  count() {
    const newest = this.room.votes[0];
    if (newest === this.seen) return;
    this.seen = newest;
    this.given += 1;
    if (this.given >= RENEW_AFTER) this.renew();
  }

  // Reads the present order from the server. If the user votes meanwhile, the answer is dropped.
  async renew() {
    const { room } = this;
    const before = room.votes[0];
    const found = await askFor('api/queue/order');
    if (!found || before !== room.votes[0] || room.outbox.waiting.length) return;
    this.given = 0;
    const waiting = new Set(found.order);
    const soon = [room.expnum, ...room.queue.filter(expnum => expnum !== room.expnum).slice(0, SOON)].filter(expnum => waiting.has(expnum));
    room.queue = [...soon, ...found.order.filter(expnum => !soon.includes(expnum))];
    room.behind = found.n_left - found.order.length;
    room.total = found.total;
    room.votes = room.votes.filter(vote => !waiting.has(vote.expnum));
    for (const expnum of found.order) {
      const item = room.facts.get(expnum);
      if (!item?.voted) continue;
      item.voted = false;
      room.forget(expnum);
    }
    room.refresh();
  }

  // ---- what is on screen

  changed() {
    const expnum = this.room.visible() && this.room.canVote && !document.hidden ? this.room.expnum : null;
    if (expnum === this.told) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (expnum === null && !this.told) return;
      this.told = expnum;
      askFor('api/queue/look', { expnum });
    }, 400);
  }

  close() {
    this.watch.disconnect();
    clearInterval(this.again);
    clearTimeout(this.timer);
    this.stopKeys();
    window.removeEventListener('triptych-saved', this.saved);
    this.dialog?.remove();
    this.node.remove();
  }
}

function plainName(value) { return value.replaceAll('_', ' '); }
