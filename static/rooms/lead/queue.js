// @ts-check
// The settings of the queue in the Lead room. It shows their effect before they are kept, the votes that the rule saves,
// known answers and the control.

import { packetOf, packetText } from '../../basics/packet.js';
import { escapeText as text } from '../../basics/text.js';
import { complain, count, focused, plainName } from './words.js';

const ORDER_NAMES = { score: 'most suspicious first', uncertainty: 'least certain first', gain: 'most to learn first', similar: 'similar in a row', night: 'night by night', random: 'at random' };
const WAIT_MS = 250;
const many = (n, word) => `${count(n)} ${word}${n === 1 ? '' : 's'}`;

export class QueueRules {
  // parts : the sections settings, saving, known    tools : ask(url, values), again(): read all numbers again
  constructor(parts, model, { ask, again }) {
    this.parts = parts;
    this.model = model;
    this.ask = ask;
    this.again = again;
    this.changed = {};
  }

  show(found) {
    this.found = found;
    if (!Object.keys(this.changed).length && !focused(this.parts.settings)) this.drawSettings();
    if (!Object.keys(this.changed).length) this.drawEffect(found.effect);
    this.drawSaving();
    if (!focused(this.parts.known)) this.drawKnown();
  }

  // ---- settings

  drawSettings() {
    const { settings, orders, rules, blind } = this.found.queue;
    const usual = blind ? 'random' : 'score';
    const options = orders.map(({ name, hidden }) => `<option value="${name}" ${(settings.order || usual) === name ? 'selected' : ''} ${hidden ? 'disabled' : ''}>${ORDER_NAMES[name] || name}${hidden ? ' (tells the model\'s opinion)' : ''}</option>`).join('');
    const packet = packetOf(settings.packet);
    const facets = this.found.progress.packets.filter(({ values }) => values.length).map(({ name, label, values }) => `<label class="short">${text(label)}
      <select data-facet="${name}"><option value="">any</option>${values.filter(one => one.value).map(({ value, n }) => `<option value="${text(value)}" ${packet[name] === value ? 'selected' : ''}>${text(plainName(value))} (${count(n)})</option>`).join('')}</select></label>`).join('');
    const percent = (name, label, hint, most) => `<label class="number">${label}<span><input type="number" name="${name}" data-percent value="${round(100 * settings[name])}" min="0" max="${most}" step="1"> %</span><small>${hint}</small></label>`;
    const node = this.parts.settings;
    node.innerHTML = `<h2>Everybody's queue</h2><form>
      <label>Order, unless an inspector chooses one <select name="order">${options}</select></label>
      <fieldset class="packet"><legend>Packet, unless one is assigned or chosen</legend>${facets}</fieldset>
      <fieldset><legend>Votes</legend>${rules.map(({ name, rule }) => `<label class="radio"><input type="radio" name="rule" value="${name}" ${settings.rule === name ? 'checked' : ''}> ${name === 'all' ? 'Everybody votes on everything' : 'Adaptive'}${name === 'all' ? '' : `<small>${text(rule)}</small>`}</label>`).join('')}
        <div class="adaptive" ${settings.rule === 'all' ? 'hidden' : ''}>${percent('control', 'Random control', 'exposures that always get all votes', 100)}
          ${percent('strong', 'Model strongly against', 'from this probability on, or below its opposite', 100)}</div></fieldset>
      <fieldset><legend>Mixed in unseen</legend>
        ${percent('repeats', 'Own earlier votes again', 'how steady each inspector is', 20)}
        <label class="number">at least<span><input type="number" name="repeat_age" value="${settings.repeat_age}" min="40" step="10"> votes</span><small>between a vote and its repeat</small></label>
        ${percent('known', 'Known answers', 'how often each inspector is right', 20)}</fieldset>
      <label class="radio"><input type="checkbox" name="ask_again" ${settings.ask_again ? 'checked' : ''}> Ask again for exposures that were processed again and look the same<small>those that look different are always asked again, first of all</small></label>
      <label class="number">Seed of all shuffles<span><input type="number" name="seed" value="${settings.seed}" min="0" step="1"></span><small>the same seed gives the same queues</small></label>
      <div class="foot"><div class="effect" aria-live="polite"></div><p class="problem" role="alert" hidden></p>
      <div class="buttons"><button type="button" data-back disabled>Take back</button><button class="primary" data-keep disabled>Keep for everybody</button></div></div></form>`;
    const form = node.querySelector('form');
    form.oninput = () => this.edited(form);
    form.onsubmit = event => { event.preventDefault(); this.keep(); };
    form.querySelector('[data-back]').onclick = () => { this.changed = {}; this.drawSettings(); this.drawEffect(this.found.effect); };
    this.drawEffect(this.found.effect);
  }

  edited(form) {
    const { settings, blind } = this.found.queue;
    const values = { ...settings, rule: form.elements.rule.value, ask_again: form.elements.ask_again.checked };
    for (const field of form.querySelectorAll('select[name], input[type=number]')) {
      if (field.value === '') continue;
      values[field.name] = field.dataset.percent !== undefined ? Number(field.value) / 100 : field.type === 'number' ? Number(field.value) : field.value;
    }
    values.packet = packetText(Object.fromEntries([...form.querySelectorAll('[data-facet]')].filter(list => list.value).map(list => [list.dataset.facet, list.value])));
    if (!settings.order && values.order === (blind ? 'random' : 'score')) values.order = '';
    this.changed = Object.fromEntries(Object.entries(values).filter(([name, value]) => value !== settings[name]));
    form.querySelector('.adaptive').hidden = values.rule === 'all';
    for (const button of form.querySelectorAll('.buttons button')) button.disabled = !Object.keys(this.changed).length;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.foresee(), WAIT_MS);
  }

  async foresee() {
    const asked = this.asked = JSON.stringify(this.changed);
    const { answer, problem } = await this.ask('lead/queue/effect', this.changed);
    if (asked !== this.asked) return;
    complain(this.parts.settings, problem);
    if (answer) this.drawEffect(answer);
  }

  drawEffect(effect) {
    const node = this.parts.settings.querySelector('.effect');
    const left = effect.votes_left;
    const range = left.least === left.most ? count(left.most) : `${count(left.least)} to ${count(left.most)}`;
    const before = this.found.effect.votes_left;
    const planned = Object.keys(this.changed).length;
    const was = planned && (before.most !== left.most || before.least !== left.least) ? ` <span class="muted">(now ${before.least === before.most ? count(before.most) : `${count(before.least)} to ${count(before.most)}`})</span>` : '';
    node.innerHTML = `<b>${planned ? 'Kept, this would ask for' : 'This asks for'}</b>
      <dl><dt>exposures</dt><dd>${count(effect.n_exposures)}</dd>
      <dt>votes still to come</dt><dd>${range}${was}${left.expected !== null && left.least !== left.most ? `<small>about ${count(left.expected)} if it goes on as with the first votes so far</small>` : ''}</dd>
      ${effect.votes_all !== left.most || left.least !== left.most ? `<dt>if everybody voted on all</dt><dd>${count(effect.votes_all)}</dd><dt>of them in the control</dt><dd>${count(effect.n_control)} exposures</dd>` : ''}
      <dt>mixed in besides</dt><dd>at most ${many(effect.repeats, 'repeat')}, ${many(effect.known, 'known answer')}${effect.n_known ? '' : '<small>no known answer is drawn yet: below</small>'}</dd></dl>`;
  }

  async keep() {
    const { answer, problem } = await this.ask('lead/queue/settings', this.changed);
    if (problem) return complain(this.parts.settings, problem);
    this.changed = {};
    this.found.queue = answer;
    focused(this.parts.settings)?.blur();
    this.model.send_msg({ say: 'Kept. Open queues change within a few votes.' });
    await this.again();
    return this.drawSettings();
  }

  // ---- what the adaptive rule saves

  drawSaving() {
    const { saved, progress, queue } = this.found;
    const { panel } = progress;
    const late = saved.control_waiting + saved.others_waiting;
    const hidden = saved.control_waiting >= late / 3
      ? `${count(saved.control_waiting)} of them only as control: being asked says little.`
      : `${saved.control_waiting ? `only ${count(saved.control_waiting)}` : 'none'} of them as control: whoever is asked late can guess that others differed. A larger control hides it better.`;
    this.parts.saving.innerHTML = `<h2>What the adaptive rule saves</h2>
      ${queue.settings.rule === 'all' ? `<p>It is off: everybody votes on everything.</p>`
        : `<p class="total"><b>${some(saved.votes_saved, 'vote')}</b> not asked for: ${some(saved.n_settled, 'exposure')} settled by ${Math.floor(panel / 2) + 1} of ${panel} votes.</p>
      <table class="plain"><thead><tr><th>first votes agree on</th><th>control</th><th>a later vote differs</th></tr></thead><tbody>
        ${['good', 'bad'].map(word => `<tr><td>${word}</td><td>${count(saved[`${word}_pairs`].n)}</td><td>${share(saved[`${word}_pairs`])}</td></tr>`).join('')}</tbody></table>
      <p>Estimated on the random control of ${some(saved.n_control, 'exposure')}, which get all votes whatever the first ones say; 95 % interval (Wilson).</p>
      ${late ? `<p>${some(late, 'exposure')} wait for the rest of the panel, ${hidden}</p>` : ''}`}`;
  }

  // ---- known answers and control

  drawKnown() {
    const { drawn, queue } = this.found;
    const { known, control, sources } = drawn;
    const left = sources.map(one => one.n_good + one.n_bad);
    const options = sources.map((one, i) => `<option value="${one.name}" ${left[i] ? '' : 'disabled'}>${text(one.rule)}: ${count(one.n_good)} good, ${count(one.n_bad)} bad left</option>`).join('');
    const any = left.some(Boolean);
    const node = this.parts.known;
    node.innerHTML = `<h2>Known answers and control</h2>
      <p class="total"><b>${some(known.n, 'known answer')}</b> (${count(known.n_bad)} bad), <b>${some(control.n, 'exposure')}</b> in the control.</p>
      ${any ? `<form data-kind="known"><label>Draw known answers from <select name="source">${options}</select></label>
        <label class="number">how many<span><input type="number" name="n" value="20" min="1"></span></label>
        <label class="number">seed<span><input type="number" name="seed" value="${queue.settings.seed}" min="0"></span></label>
        <button>Draw</button></form>`
        : '<p>No further exposure has a known answer: decide some in Adjudicate, or import a truth table.</p>'}
      <form data-kind="control"><span class="grow">Put more exposures into the control</span>
        <label class="number">how many<span><input type="number" name="n" value="20" min="1"></span></label>
        <label class="number">seed<span><input type="number" name="seed" value="${queue.settings.seed}" min="0"></span></label>
        <button>Draw</button></form><p class="problem" role="alert" hidden></p><p class="told" role="status">${this.told ?? ''}</p>`;
    for (const form of node.querySelectorAll('form')) form.onsubmit = event => { event.preventDefault(); this.draw(form); };
  }

  async draw(form) {
    /** @type {any} */
    const values = { kind: form.dataset.kind, ...Object.fromEntries(new FormData(form)) };
    const { answer, problem } = await this.ask('lead/draw', { ...values, n: Number(values.n), seed: Number(values.seed) });
    if (problem) return complain(this.parts.known, problem);
    this.found.drawn = answer.drawn;
    this.told = `${count(answer.added)} drawn.`;   // it stays on screen when the numbers are read again
    this.drawKnown();
    this.parts.known.querySelector(`form[data-kind=${form.dataset.kind}] button`)?.focus();   // the form goes when none is left
    return undefined;
  }
}

function share({ n, turned, share: part, low, high }) {
  if (!n) return '<span class="muted">none complete yet</span>';
  const percent = value => `${(100 * value).toFixed(value < 0.1 ? 1 : 0)}`;
  return `${turned} of ${n}: ${percent(part)} % <small>${percent(low)} to ${percent(high)} %</small>`;
}

function some(number, what) { return `${count(number)} ${what}${number === 1 ? '' : 's'}`; }

function round(value) { return Math.round(100 * value) / 100; }
