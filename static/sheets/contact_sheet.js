// @ts-check
// A contact sheet shows every exposure of a selection as one picture. The user leaves some out and gives the rest one
// judgement. It is stored as one bulk vote, and one undo takes it back.
//
//   openContactSheet({ exposures, title, how, stretch, version, reasons, post, onDone })
//
// exposures : [{expnum, facts, images: [image_id], mine: {judgement, reasons} | null}], in the order to show
// title, words : heading and further text; how : the kind of bulk vote ('lasso', 'cluster', 'run'), stored with the votes
// An exposure that the user judged by itself (`mine.via` is not 'bulk') stays out: a bulk vote does not replace that vote.
// stretch, version : of the pictures' addresses    reasons : [{name, key, label, rule, colour}]
// post(path, body) : Promise of the answer; by default sendJson
// screen : what else was on screen, stored with the votes    onDone(answer) : after the votes are on disk
// Returns {close, dialog}. The dialog is an element of the page, so that rooms find dialog[open] and ignore keys meanwhile.

import { hasPictures } from '../basics/has_pictures.js';
import { sendJson } from '../basics/send.js';
import { composing, meantKey } from '../frame/keys.js';
import { tellOtherTabs } from './other_tabs.js';
import { offerUndo } from './undo_offer.js';

const GAP = 8, LINE = 22;
const SIZES = [104, 150, 216];
const AHEAD_SCREENS = 1;
const WAIT_MS = 80;
const IN_FLIGHT = 3;                 // pictures fetched ahead at the same time; those on screen come first
const JUDGEMENTS = { good: ['g', 'good'], bad: ['b', 'bad'], unsure: ['u', 'unsure'] };

export function openContactSheet(given) {
  const sheet = new ContactSheet(given);
  sheet.open();
  return { close: () => sheet.close(), dialog: sheet.dialog };
}

class ContactSheet {
  /** @param {any} given */
  constructor({ exposures, title, how, words = '', stretch = 'faint', version = '', reasons = [], post = sendJson, screen = {}, onDone = () => {} }) {
    this.exposures = exposures;
    this.title = title;
    this.how = how;
    this.words = words;
    this.stretch = stretch;
    this.version = version;
    this.reasons = reasons;
    this.post = post;
    this.screen = screen;
    this.onDone = onDone;
    this.out = new Set(exposures.filter(one => one.mine).map(one => one.expnum));
    this.seen = new Set();
    this.judgement = '';
    this.chosen = new Set();
    this.whole = true;                // true: whole exposures, false: the selected CCDs
    this.size = 1;
    this.at = 0;
    this.nodes = new Map();
    this.spare = [];
    this.batch = crypto.randomUUID ? crypto.randomUUID() : `${Date.now().toString(16)}-${Math.random().toString(16).slice(2)}`;
    this.build();
  }

  get kept() { return this.exposures.filter(one => !this.out.has(one.expnum)); }

  build() {
    const dialog = this.dialog = document.createElement('dialog');
    dialog.className = 'contact-sheet';
    dialog.dataset.ownKeys = '';
    dialog.setAttribute('aria-label', this.title);
    dialog.innerHTML = `<link rel="stylesheet" href="${new URL('./contact_sheet.css', import.meta.url)}">
      <header><h1></h1><span class="muted how"></span>
        <span class="push"></span>
        <button type="button" class="quiet" data-verb="whole" aria-pressed="true"><span class="key">c</span> whole exposures</button>
        <button type="button" class="quiet" data-verb="ccds" aria-pressed="false">selected CCDs</button>
        <button type="button" class="quiet" data-verb="smaller" aria-label="Smaller pictures"><span class="key">[</span></button>
        <button type="button" class="quiet" data-verb="larger" aria-label="Larger pictures"><span class="key">]</span></button>
        <button type="button" class="quiet" data-verb="close" aria-label="Close without voting"><span class="key">Esc</span> close</button></header>
      <div class="sheet" tabindex="0" role="listbox" aria-multiselectable="true"
        aria-label="Exposures. Arrow keys move, space leaves one out or takes it in again."><div class="room"></div></div>
      <footer>
        <div class="line"><span class="tally" role="status"></span><span class="push"></span>
          <button type="button" class="quiet" data-verb="all"><span class="key">a</span> take all in</button>
          <button type="button" class="quiet" data-verb="none">leave all out</button></div>
        <div class="line judge"><div class="judgements" role="group" aria-label="Judgement"></div>
          <input type="text" class="comment" maxlength="2000" aria-label="Note on all of them" placeholder="note (n)" autocomplete="off">
          <button type="button" class="primary" data-verb="confirm" disabled></button></div>
        <div class="line reasons" role="group" aria-label="Reasons" hidden></div>
        <div class="line problem" role="alert" hidden></div>
      </footer>`;
    const find = selector => dialog.querySelector(selector);
    this.parts = { sheet: find('.sheet'), room: find('.room'), tally: find('.tally'), confirm: find('[data-verb=confirm]'),
      reasons: find('.reasons'), problem: find('.problem'), comment: find('.comment') };
    find('h1').textContent = this.title;
    find('.how').textContent = this.words;
    find('.judgements').innerHTML = Object.entries(JUDGEMENTS).map(([name, [key, text]]) =>
      `<button type="button" data-judgement="${name}" aria-pressed="false"><span class="key">${key}</span> ${text}</button>`).join('');
    this.parts.reasons.append(...this.reasons.map(reason => {
      const chip = document.createElement('button');
      chip.type = 'button';
      chip.className = 'chip';
      chip.dataset.reason = reason.name;
      chip.title = reason.rule || '';
      chip.innerHTML = '<span class="swatch"></span><span class="key"></span> <span></span>';
      chip.children[0].style.background = reason.colour;
      chip.children[1].textContent = reason.key;
      chip.children[2].textContent = reason.label || reason.name.replaceAll('_', ' ');
      return chip;
    }));
    const hasImages = this.exposures.some(one => one.images?.length);
    for (const verb of ['whole', 'ccds']) find(`[data-verb=${verb}]`).hidden = !hasImages;
    dialog.addEventListener('click', event => this.clicked(event));
    dialog.addEventListener('keydown', event => this.key(event));
    dialog.addEventListener('close', () => this.closed());
    this.parts.sheet.addEventListener('scroll', () => this.requestFill(), { passive: true });
    this.resizing = new ResizeObserver(() => this.layout());
    this.resizing.observe(this.parts.sheet);
  }

  open() {
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.parts.sheet.focus();
    this.opened = performance.now();
    this.draw();
    const style = this.dialog.querySelector('link');
    style.onload = style.onerror = () => { this.styled = true; this.layout(); this.fetchAhead(); };
  }

  close() { if (this.dialog.open) this.dialog.close(); }

  closed() {
    this.gone = true;
    this.resizing.disconnect();
    this.dialog.remove();
  }

  // ---- pictures

  address(one) {
    const query = `s=${this.stretch}&v=${this.version}`;
    return this.whole || !one.images?.length ? `picture/mosaic/${one.expnum}.jpg?w=${SIZES[2]}&${query}` : `picture/thumb/${one.images[0]}?${query}`;
  }

  // Fetches all pictures in order into the cache, a few at a time, and only while no picture on screen is missing.
  async fetchAhead() {
    const turn = this.turn = Symbol('one order of pictures');
    let next = 0;
    const one = async () => {
      while (!this.gone && turn === this.turn && next < this.exposures.length) {
        if ([...this.nodes.values()].some(node => this.inSight(node) && !node.parts.image.complete)) {
          await new Promise(again => setTimeout(again, WAIT_MS));
          continue;
        }
        const exposure = this.exposures[next++];
        if (!hasPictures(exposure.expnum)) continue;
        const image = new Image();
        image.fetchPriority = 'low';
        image.src = this.address(exposure);
        await image.decode().catch(() => {});
      }
    };
    for (let k = 0; k < IN_FLIGHT; k++) one();
  }

  inSight(node) {
    const line = Math.floor(Number(node.dataset.place) / this.columns);
    const { scrollTop, clientHeight } = this.parts.sheet;
    return (line + 1) * this.step > scrollTop && line * this.step < scrollTop + clientHeight;
  }

  // ---- the grid: only pictures near the window exist as elements

  layout() {
    const width = this.parts.sheet.clientWidth;
    if (!width || !this.styled) return;
    const least = SIZES[this.size];
    this.columns = Math.max(1, Math.floor((width - GAP) / (least + GAP)));
    this.cell = Math.floor((width - GAP * (this.columns + 1)) / this.columns);
    this.picture = Math.round(this.cell * 0.86);
    this.step = this.picture + LINE + GAP;
    this.parts.room.style.height = `${Math.ceil(this.exposures.length / this.columns) * this.step + GAP}px`;
    this.fill(true);
  }

  requestFill() {
    if (this.filling) return;
    this.filling = requestAnimationFrame(() => { this.filling = 0; this.fill(); });
  }

  fill(redraw = false) {
    if (!this.step) return;
    const { scrollTop, clientHeight } = this.parts.sheet;
    const ahead = AHEAD_SCREENS * clientHeight;
    const first = Math.max(0, Math.floor((scrollTop - ahead / 2) / this.step)) * this.columns;
    const after = Math.min(this.exposures.length, Math.ceil((scrollTop + clientHeight + ahead) / this.step) * this.columns);
    for (const [place, node] of this.nodes) {
      if (place >= first && place < after) continue;
      node.remove();
      this.nodes.delete(place);
      this.spare.push(node);
    }
    for (let place = first; place < after; place++) {
      const fresh = !this.nodes.has(place);
      if (fresh) this.nodes.set(place, this.spare.pop() ?? newTile(() => this.noteSeen()));
      const node = this.nodes.get(place);
      if (fresh || redraw) this.drawTile(node, place);
      if (fresh) this.parts.room.append(node);
    }
    this.noteSeen();
  }

  // An exposure has been looked at when its picture was in the window.
  noteSeen() {
    const known = this.seen.size;
    for (const node of this.nodes.values()) {
      const { image } = node.parts;
      if (image.complete && image.naturalWidth && this.inSight(node)) this.seen.add(Number(node.dataset.expnum));
    }
    if (this.seen.size !== known) this.drawTally();
  }

  drawTile(node, place) {
    const one = this.exposures[place];
    const column = place % this.columns, line = Math.floor(place / this.columns);
    const out = this.out.has(one.expnum);
    node.style.cssText = `width:${this.cell}px;height:${this.picture + LINE}px;transform:translate(${GAP + column * (this.cell + GAP)}px,${GAP + line * this.step}px)`;
    node.dataset.place = place;
    node.dataset.expnum = one.expnum;
    node.id = `contact-${one.expnum}`;
    node.classList.toggle('out', out);
    node.classList.toggle('at', place === this.at);
    node.setAttribute('aria-selected', String(!out));
    const { image, name, mine } = node.parts;
    image.style.height = `${this.picture}px`;
    const address = this.address(one);
    if (!hasPictures(one.expnum)) { node.classList.add('gone'); image.removeAttribute('src'); }
    else if (image.getAttribute('src') !== address) { node.classList.remove('gone'); image.src = address; }
    name.textContent = one.expnum;
    mine.hidden = !one.mine;
    mine.textContent = one.mine ? `you: ${one.mine.judgement}` : '';
    mine.className = `mine ${one.mine?.judgement ?? ''}`;
    const said = one.mine ? `, you said ${one.mine.judgement}${one.mine.reasons?.length ? ` (${one.mine.reasons.join(', ').replaceAll('_', ' ')})` : ''}` : '';
    node.title = `${one.expnum}${one.facts ? ` · ${one.facts}` : ''}${said}. ${stays(one) ? 'Your own vote on it stays.' : out ? 'Left out; a click takes it in.' : 'A click leaves it out.'}`;
    node.setAttribute('aria-label', `${one.expnum}${said}${out ? ', left out' : ''}`);
  }

  // ---- what is left out

  toggle(place) {
    const one = this.exposures[place];
    if (!one || stays(one)) return;
    if (!this.out.delete(one.expnum)) this.out.add(one.expnum);
    this.at = place;
    this.fill(true);
    this.draw();
  }

  move(step) {
    this.at = Math.min(this.exposures.length - 1, Math.max(0, this.at + step));
    const top = Math.floor(this.at / this.columns) * this.step, bottom = top + this.step + GAP;
    const { sheet } = this.parts;
    if (top < sheet.scrollTop) sheet.scrollTop = top;
    else if (bottom > sheet.scrollTop + sheet.clientHeight) sheet.scrollTop = bottom - sheet.clientHeight;
    this.fill(true);
    sheet.setAttribute('aria-activedescendant', `contact-${this.exposures[this.at].expnum}`);
  }

  // ---- words and buttons

  draw() {
    const { judgement, chosen, parts } = this;
    for (const button of this.dialog.querySelectorAll('[data-judgement]')) button.setAttribute('aria-pressed', String(button.dataset.judgement === judgement));
    for (const chip of parts.reasons.children) chip.setAttribute('aria-pressed', String(chosen.has(chip.dataset.reason)));
    parts.reasons.hidden = judgement !== 'bad';
    for (const [verb, on] of [['whole', this.whole], ['ccds', !this.whole]]) this.dialog.querySelector(`[data-verb=${verb}]`).setAttribute('aria-pressed', String(on));
    this.drawTally();
  }

  drawTally() {
    const kept = this.kept;
    const left = this.exposures.length - kept.length;
    const judged = this.exposures.filter(one => one.mine).length;
    const unseen = kept.filter(one => !this.seen.has(one.expnum)).length;
    this.parts.tally.innerHTML = [
      `<b>${many(kept.length)}</b>`, left && `${left.toLocaleString('en')} left out`,
      judged && `${judged.toLocaleString('en')} judged by you before`, unseen ? `<em>${unseen.toLocaleString('en')} not looked at yet</em>` : 'all looked at',
    ].filter(Boolean).join(' · ');
    const needs = !kept.length ? 'Nothing is taken in' : !this.judgement ? 'Choose good, bad or unsure'
      : this.judgement === 'bad' && !this.chosen.size ? 'Bad because…? Choose a reason' : '';
    const labels = this.reasons.filter(reason => this.chosen.has(reason.name)).map(reason => reason.label || reason.name.replaceAll('_', ' '));
    const { confirm } = this.parts;
    confirm.disabled = Boolean(needs) || this.sending;
    confirm.textContent = this.sending ? 'Saving …' : needs || `Mark ${many(kept.length)} ${this.judgement}${this.judgement === 'bad' ? `${this.onCcds() ? ', all CCDs' : ''}: ${labels.join(', ')}` : ''}`;
    if (!needs && !this.sending) confirm.insertAdjacentHTML('beforeend', ' <span class="key">Enter</span>');
  }

  // Whether what is chosen is on some CCDs as a rule. A bulk vote is of whole exposures, so its button says so.
  onCcds() { return this.reasons.filter(reason => this.chosen.has(reason.name)).every(reason => reason.on_ccds); }

  judge(name) { this.judgement = name; if (name !== 'bad') this.chosen.clear(); this.draw(); }

  reason(name) {
    this.judgement = 'bad';
    if (!this.chosen.delete(name)) this.chosen.add(name);
    this.draw();
  }

  clicked(event) {
    const tile = event.target.closest('.tile');
    if (tile) { this.toggle(Number(tile.dataset.place)); return; }
    const button = event.target.closest('button');
    if (!button) return;
    if (button.dataset.judgement) this.judge(button.dataset.judgement);
    else if (button.dataset.reason) this.reason(button.dataset.reason);
    else this.act(button.dataset.verb);
  }

  act(verb) {
    if (verb === 'close') this.close();
    else if (verb === 'confirm') this.confirm();
    else if (verb === 'all') { this.out = new Set(this.exposures.filter(stays).map(one => one.expnum)); this.fill(true); this.draw(); }
    else if (verb === 'none') { this.out = new Set(this.exposures.map(one => one.expnum)); this.fill(true); this.draw(); }
    else if (verb === 'whole' || verb === 'ccds') { this.whole = verb === 'whole'; this.fill(true); this.draw(); this.fetchAhead(); }
    else if (verb === 'larger' || verb === 'smaller') {
      this.size = Math.min(SIZES.length - 1, Math.max(0, this.size + (verb === 'larger' ? 1 : -1)));
      this.layout();
      this.move(0);
    }
  }

  key(event) {
    const typing = event.target === this.parts.comment;
    if (composing(event)) return event.stopPropagation();
    if (typing && event.key === 'Escape') { event.preventDefault(); this.parts.sheet.focus(); }
    event.stopPropagation();
    if (event.ctrlKey || event.metaKey || event.altKey || (typing && event.key !== 'Enter')) return;
    if (event.target.tagName === 'BUTTON' && (event.key === ' ' || (event.key === 'Enter' && event.target !== this.parts.confirm))) return;
    const page = Math.max(1, Math.floor(this.parts.sheet.clientHeight / this.step)) * this.columns;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    const meant = {
      ' ': () => this.toggle(this.at), Enter: () => this.parts.confirm.disabled || this.confirm(), a: () => this.act('all'), ']': () => this.act('larger'),
      '[': () => this.act('smaller'), c: () => this.act(this.whole ? 'ccds' : 'whole'), n: () => this.parts.comment.focus(),
    };
    const key = meantKey(event);
    const judgement = Object.keys(JUDGEMENTS).find(name => JUDGEMENTS[name][0] === key);
    const reason = this.judgement === 'bad' && this.reasons.find(one => one.key === key);
    if (key in steps) this.move(steps[key]);
    else if (reason) this.reason(reason.name);
    else if (judgement) this.judge(judgement);
    else if (meant[key]) meant[key]();
    else return;
    event.preventDefault();
  }

  // ---- the vote: it always has the same batch_id, so that it counts once even if it is sent twice

  async confirm() {
    if (this.sending) return;
    const kept = this.kept;
    const body = {
      expnums: kept.map(one => one.expnum), judgement: this.judgement, reasons: [...this.chosen], comment: this.parts.comment.value.trim(),
      batch_id: this.batch, how: this.how,
      screen: { ...this.screen, stretch: this.stretch, sheet: this.whole ? 'exposures' : 'ccds', n_offered: this.exposures.length,
        n_seen: kept.filter(one => this.seen.has(one.expnum)).length, seconds: Math.round((performance.now() - this.opened) / 100) / 10 },
    };
    this.sending = true;
    this.parts.problem.hidden = true;
    this.drawTally();
    try {
      const answer = await this.post('api/votes', body);
      tellOtherTabs();
      const words = this.doneWords(answer.n ?? kept.length, answer.skipped ?? [], answer.n_replaced ?? 0);
      this.close();
      offerUndo({ text: words, undo: () => this.post('api/undo', { batch_id: answer.batch_id ?? this.batch }), onDone: this.onDone });
      this.onDone({ ...answer, judgement: body.judgement, reasons: body.reasons, expnums: body.expnums });
    } catch (error) {
      const offline = error instanceof TypeError;
      this.parts.problem.textContent = `Not saved: ${offline ? 'no connection' : error.message}. Nothing is lost; press the button again.`;
      this.parts.problem.hidden = false;
    }
    this.sending = false;
    if (!this.gone) this.drawTally();
  }

  doneWords(n, skipped, replaced = 0) {
    const labels = this.reasons.filter(reason => this.chosen.has(reason.name)).map(reason => reason.label || reason.name.replaceAll('_', ' '));
    const left = skipped.length ? ` ${skipped.length} left as they are: ${[...new Set(skipped.map(one => one.why))].join('; ')}.` : '';
    const instead = replaced ? ` That replaces ${replaced === 1 ? 'an earlier bulk vote' : `${replaced.toLocaleString('en')} earlier bulk votes`} of yours.` : '';
    return `Marked ${many(n)} ${this.judgement}${labels.length ? `: ${labels.join(', ')}` : ''}.${instead}${left}`;
  }
}

const stays = one => Boolean(one.mine?.via && one.mine.via !== 'bulk');

function many(n) { return n === 1 ? '1 exposure' : `${n.toLocaleString('en')} exposures`; }

function newTile(onLoad) {
  /** @type {any} */
  const node = document.createElement('div');
  node.className = 'tile';
  node.setAttribute('role', 'option');
  node.innerHTML = '<img alt="" draggable="false"><div class="line"><i class="tick" aria-hidden="true"></i><span class="name"></span><span class="mine" hidden></span></div>';
  const find = selector => node.querySelector(selector);
  node.parts = { image: find('img'), name: find('.name'), mine: find('.mine') };
  node.parts.image.addEventListener('load', onLoad);
  node.parts.image.addEventListener('error', () => node.classList.add('gone'));
  return node;
}
