// @ts-check
// The tour for the first use: four steps, each beside the part of the page that it explains. Each user sees it once. The
// room works as usual meanwhile, so a voting key votes. Enter goes on, Escape ends the tour. The `?` page starts it again.

import { keepSettings, settings } from './settings.js';

const GAP = 14;
const EDGE = 10;
let offered = false;
let asked = false;
let review = null;

// The steps in Review. part or selector : the element that the step explains; the card never covers it.
const STEPS = [
  { part: 'bar-verdict', title: 'One key judges', text: '<span class="key">g</span> good and <span class="key">u</span> unsure are saved at once, and the next exposure appears. <span class="key">b</span> bad needs one more key: the reason. <span class="key">→</span> skips an exposure; it comes back later.' },
  { part: 'viewing', title: 'Look closer', text: '<span class="key">s</span> changes the stretch. A click on a CCD shows it at full resolution, the wheel zooms. After <span class="key">b</span>, click CCDs if only some are bad.' },
  { part: 'side', title: 'Why it is here', text: 'The model’s opinion, similar labelled exposures, and the exposures taken around it. Others’ votes appear after yours. <span class="key">r</span> opens the written rules with examples.' },
  { selector: '#saved', title: 'Nothing is lost', text: 'Your votes are on disk when this says saved. Without a connection they wait in your browser. <span class="key">z</span> takes back one vote after the other. <span class="key">?</span> shows every key, and lets you change them.' },
];

// Start the tour if this user has not seen it or has asked for it. Only once on a page.
export async function offerTour(room) {
  review = room;
  if (offered) return;
  offered = true;
  const kept = await settings();
  if (asked || (kept && !kept.tour)) start();
}

// Show the tour (again) as soon as Review is open.
export function askTour() {
  asked = true;
  if (review) start();
}

function start() {
  asked = false;
  review.tour?.end();
  review.tour = new Tour(review);
}

class Tour {
  constructor(room) {
    this.room = room;
    this.at = 0;
    this.card = document.createElement('div');
    this.card.className = 'tour';
    this.card.setAttribute('role', 'dialog');
    this.card.setAttribute('aria-labelledby', 'tour-title');
    this.ring = document.createElement('div');
    this.ring.className = 'tour-ring';
    this.sheet = document.createElement('link');
    this.sheet.rel = 'stylesheet';
    this.sheet.href = new URL('./tour.css', import.meta.url).href;
    this.sheet.onload = () => this.place();
    this.card.addEventListener('click', event => this.clicked(/** @type {Element} */ (event.target).closest('button')?.dataset.verb));
    this.again = () => this.place();
    window.addEventListener('resize', this.again);
    this.watch = setInterval(this.again, 500);   // the explained element may move while the page loads
    document.body.append(this.sheet, this.ring, this.card);
    this.draw();
  }

  target() {
    const { part, selector } = STEPS[this.at];
    return part ? this.room.part(part) : document.querySelector(selector);
  }

  draw() {
    const { title, text } = STEPS[this.at];
    const last = this.at === STEPS.length - 1;
    this.card.innerHTML = `<small>${this.at + 1} of ${STEPS.length}</small><h2 id="tour-title">${title}</h2><p>${text}</p>
      <div><button data-verb="end" class="quiet">End <span class="key">Esc</span></button><span></span>
      ${this.at ? '<button data-verb="back">Back</button>' : ''}<button data-verb="on" class="primary">${last ? 'Done' : 'Next'} <span class="key">Enter</span></button></div>`;
    this.place();
    this.card.querySelector('[data-verb=on]').focus({ preventScroll: true });
  }

  clicked(verb) {
    if (verb === 'end' || (verb === 'on' && this.at === STEPS.length - 1)) this.end();
    else if (verb === 'on' || verb === 'back') { this.at += verb === 'on' ? 1 : -1; this.draw(); }
  }

  // Places the card beside its target, on the first side with enough room.
  place() {
    const here = this.target()?.getBoundingClientRect();
    const shown = Boolean(here?.width) && this.room.visible();
    this.card.hidden = this.ring.hidden = !shown;
    if (!shown) return;
    const { offsetWidth: width, offsetHeight: height } = this.card;
    const within = (value, size, whole) => Math.min(whole - size - EDGE, Math.max(EDGE, value));
    const x = within(here.left + here.width / 2 - width / 2, width, innerWidth), y = within(here.top + here.height / 2 - height / 2, height, innerHeight);
    const sides = [[x, here.top - height - GAP], [here.left - width - GAP, y], [x, here.bottom + GAP], [here.right + GAP, y]];
    const [left, top] = sides.find(([a, b]) => a >= EDGE && b >= EDGE && a + width <= innerWidth - EDGE && b + height <= innerHeight - EDGE) ?? sides[0];
    Object.assign(this.card.style, { left: `${left}px`, top: `${top}px` });
    Object.assign(this.ring.style, { left: `${here.left - 3}px`, top: `${here.top - 3}px`, width: `${here.width + 6}px`, height: `${here.height + 6}px` });
  }

  // Ends the tour. Returns whether it was running.
  end() {
    if (this.gone) return false;
    this.gone = true;
    clearInterval(this.watch);
    window.removeEventListener('resize', this.again);
    for (const node of [this.card, this.ring, this.sheet]) node.remove();
    this.room.tour = null;
    keepSettings({ tour: 'seen' }).catch(() => { /* it is offered again next time */ });
    return true;
  }
}
