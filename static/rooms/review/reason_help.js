// @ts-check
// The written rule of a reason, with exposures that show it. All inspectors see the same rule.

import { pictureHtml } from '../../basics/has_pictures.js';
import { escapeText } from '../../basics/text.js';

const MOSAIC_WIDTH = 220;

export class ReasonHelp {
  // node : where it is drawn; look() : {expnum, stretch, version, assisted}
  constructor(node, look) {
    this.node = node;
    this.look = look;
    this.name = '';
    this.answers = new Map();
  }

  get open() { return !this.node.hidden; }

  close() { this.node.hidden = true; }

  forget() { this.answers.clear(); }

  // reasons : [{name, key, label, colour}]; name : the reason that is shown
  async show(reasons, name) {
    this.reasons = reasons;
    this.name = name || this.name || reasons[0].name;
    this.node.hidden = false;
    this.draw(null);
    const asked = this.name;
    if (!this.answers.has(asked)) {
      const answer = fetch(`api/reason/${asked}?assisted=${this.look().assisted ? 1 : 0}`).then(found => (found.ok ? found.json() : null)).catch(() => null);
      answer.then(found => { if (!found) this.answers.delete(asked); });
      this.answers.set(asked, answer);
    }
    const answer = await this.answers.get(asked);
    if (asked === this.name && this.open) this.draw(answer, !answer);
  }

  step(by) {
    const place = this.reasons.findIndex(reason => reason.name === this.name);
    this.show(this.reasons, this.reasons[(place + by + this.reasons.length) % this.reasons.length].name);
  }

  draw(answer, failed = false) {
    const here = this.reasons.find(reason => reason.name === this.name);
    const chips = this.reasons.map(({ name, key, label, colour }) => `<button data-rule="${name}" aria-pressed="${name === this.name}" aria-label="${escapeText(label)}"
      title="${escapeText(label)}" style="--hue:${colour}">${escapeText(key)}</button>`).join('');
    const rule = answer ? `<p>${escapeText(answer.rule)}</p><dl><dt class="bad">Bad when</dt><dd>${escapeText(answer.spoils)}</dd>
      <dt class="good">No reason</dt><dd>${escapeText(answer.harmless)}</dd></dl>` : '';
    const examples = answer?.examples.filter(one => one.expnum !== this.look().expnum);   // the exposure on screen is not an example
    const pictures = !answer ? `<p>${failed ? 'No answer from the server; open it again.' : 'Loading…'}</p>`
      : examples.length ? `<div class="examples">${examples.map(one => this.example(one)).join('')}</div>`
        : '<p>No exposure of this run is known for it yet: examples come from your own finished votes and from imported labels.</p>';
    this.node.innerHTML = `<header><h2><i class="dot" style="background:${here.colour}"></i>${escapeText(here.label)}</h2>
      <span class="muted"><span class="key">↑</span><span class="key">↓</span>others</span>
      <button data-verb="rules" class="quiet" aria-label="Close the rules"><span class="key">r</span>close</button></header>
      <div class="letters" role="group" aria-label="Reasons">${chips}</div>${rule}<h3>Examples, best agreed first</h3>${pictures}`;
  }

  example({ expnum, image_id: image, ccdname, why }) {
    const { stretch, version } = this.look();
    return `<figure><div>${pictureHtml(expnum, `picture/mosaic/${expnum}.jpg?w=${MOSAIC_WIDTH}&s=${stretch}&v=${version}`, `alt="Exposure ${expnum}"`)}
      ${pictureHtml(expnum, `picture/thumb/${image}?s=${stretch}&v=${version}`, `alt="its CCD ${escapeText(ccdname)}"`)}</div>
      <figcaption>${expnum} <small>${escapeText(ccdname)} · ${escapeText(why)}</small></figcaption></figure>`;
  }
}
