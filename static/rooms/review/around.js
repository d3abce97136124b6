// @ts-check
// The exposures taken around this one, as a strip in order of time, with the user's votes, looks and minutes.

import { hasPictures, pictureHtml } from '../../basics/has_pictures.js';
import { escapeText } from '../../basics/text.js';

const WIDTH = 120;
const DWELL = 600;   // ms on an exposure before the pictures around it are asked for; a user who votes faster does not need them
const asked = new Set();
let timer = null;

// context : of /api/exposure; shown : expnum on screen; looks : Map expnum -> seconds; colours : by judgement or reason
export function stripHtml(context, { shown, looks, colours, stretch, version, origin }) {
  if (!context.length) return '';
  const tiles = context.map(one => {
    const { expnum, band, minutes, same_field: field, same_band: sameBand, mine } = one;
    const said = mine ? `you said ${mine.judgement}` : looks.has(expnum) ? 'looked at' : 'not looked at yet';
    const when = minutes === 0 ? 'now' : `${minutes > 0 ? '+' : '−'}${Math.abs(minutes) < 10 ? Math.abs(minutes).toFixed(1) : Math.round(Math.abs(minutes))}`;
    const where = `${sameBand ? 'same band' : `band ${escapeText(band)}`}, ${field ? 'same field' : 'other field'}`;
    const colour = mine ? (mine.judgement === 'bad' ? colours[mine.reasons[0]] || 'var(--bad)' : mine.judgement === 'good' ? colours.good : 'var(--wait)') : '';
    return `<button data-look-at="${expnum}" aria-current="${expnum === shown}" class="${looks.has(expnum) || mine ? 'seen' : ''} ${expnum === origin ? 'origin' : ''}"
      title="${expnum}: ${where}, ${said}" aria-label="${expnum}, ${when === 'now' ? 'this exposure' : `${when} minutes`}, ${where}, ${said}">
      ${tileHtml(expnum, `picture/mosaic/${expnum}.jpg?w=${WIDTH}&s=${stretch}&v=${version}`)}
      ${mine ? `<i style="background:${colour}">${mine.judgement[0]}</i>` : looks.has(expnum) ? '<i class="eye">✓</i>' : ''}<span>${when}</span></button>`;
  });
  const ready = runOf(context, looks).length;
  return `<div class="run"><h3>Around it <span class="of"><span class="key">,</span><span class="key">.</span>min</span></h3>
    <button data-verb="run" ${ready > 1 ? '' : 'disabled'} title="One judgement for those that you looked at and have not judged"><span class="key">a</span>vote for ${ready > 1 ? ready : 'several'}</button></div>
    <div class="strip">${tiles.join('')}</div>`;
}

function tileHtml(expnum, address) {
  if (!hasPictures(expnum) || asked.has(address)) return pictureHtml(expnum, address, 'alt=""', 'sync');
  return `<img data-later="${address}" alt="" decoding="sync">`;
}

// Ask for the pictures of a new strip after a while, and show them together. Shown one by one, each would make the browser
// lay out the whole page again.
export function showLater(strip) {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    const later = [...strip.querySelectorAll('img[data-later]')];
    const pictures = later.map(img => Object.assign(new Image(), { src: img.dataset.later }));
    await Promise.allSettled(pictures.map(picture => picture.decode()));
    for (const img of later) {
      asked.add(img.dataset.later);
      img.src = img.dataset.later;
      img.removeAttribute('data-later');
    }
  }, DWELL);
}

// The exposures that one vote for the run takes: those looked at in this session, without a vote of this user.
export const runOf = (context, looks) => context.filter(one => looks.has(one.expnum) && !one.mine);

// The exposure before or after one in time; null at the end.
export function nextInTime(context, expnum, step) {
  const place = context.findIndex(one => one.expnum === expnum);
  return place < 0 ? null : context[place + step]?.expnum ?? null;
}
