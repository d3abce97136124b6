// @ts-check
// Why an exposure is in the queue, as HTML for the panel beside it. Text from the server is escaped.

import { hasPictures, pictureHtml } from '../basics/has_pictures.js';
import { escapeText } from '../basics/text.js';
import { drivers, LIKELY_BAD, planeSvg } from './focal_plane.js';

const SHOWN = 6;
const MOST_SHARES = 3;
const FEW_TAUGHT = 100;
export const thumbnail = (imageId, stretch, version) => `picture/thumb/${imageId}?s=${stretch}&v=${version}`;

const percent = value => `${(100 * value).toFixed(1)}%`;   // as CSS reads it

export function evidenceHtml(answer, { colours, letters = {}, stretch, version, slots = null }) {
  const colour = name => colours[name] || '#5b6470';
  const dot = name => `<i class="dot" style="background:${colour(name)}"></i>`;
  const label = name => escapeText(String(name).replaceAll('_', ' '));
  return [
    othersHtml(answer, dot, label),
    whyHtml(answer, dot, label),
    planeHtml(answer.model, slots, colours, letters, dot, label),
    neighboursHtml(answer, dot, label, stretch, version),
  ].join('');
}

function whyHtml(answer, dot, label) {
  const model = answer.model;
  if (!model && !answer.assisted && !answer.voted) {
    return '<h3>Why it is here</h3><p>The model’s opinion is hidden until you have voted. <span class="key">h</span>shows it.</p>';
  }
  if (!model) return '<h3>Why it is here</h3><p>There are no predictions for this exposure yet.</p>';
  return `<h3>Why it is ${model.is_candidate ? 'here' : 'not flagged'}</h3>${chanceHtml(model, dot, label)}${ruleHtml(model)}`;
}

// The CCDs that are likely bad: where they are, which ones, and for which reasons.
function planeHtml(model, slots, colours, letters, dot, label) {
  if (!model) return '';
  const bad = Object.values(model.ccds).filter(ccd => ccd.p_bad > LIKELY_BAD);
  const counts = new Map();
  bad.forEach(ccd => counts.set(ccd.bad_reason, (counts.get(ccd.bad_reason) || 0) + 1));
  const total = Object.keys(model.ccds).length;
  const shares = [...counts].sort((a, b) => b[1] - a[1]).slice(0, MOST_SHARES)
    .map(([reason, n]) => `<li>${dot(reason)}<em>${label(reason || 'bad')}</em><span>${n}</span></li>`).join('');
  const worst = drivers(model).map(({ ccdname, p_bad: chance, bad_reason: reason }) =>
    `<button data-ccd="${escapeText(ccdname)}" title="${label(reason)}: enlarge ${escapeText(ccdname)}">${dot(reason)}${escapeText(ccdname)} <span>${chance.toFixed(2)}</span></button>`).join('');
  const count = `${bad.length} of ${total}`;
  return `<h3 class="ccds">CCDs likely bad <span class="of" data-part="caption" data-text="${count}">${count}</span></h3>
    <div class="plane"><div class="map">${slots ? planeSvg(slots, model, { colours, letters }) : ''}</div>
      <div>${shares ? `<ul class="shares">${shares}</ul>` : '<p>None of them by itself.</p>'}
        <div class="drivers" role="group" aria-label="CCDs that speak most for bad">${worst}</div></div></div>`;
}

// The exposure's own probability, and, for a candidate, its reasons.
function chanceHtml(model, dot, label) {
  const chance = model.exposure_probability;
  if (chance === null || chance === undefined) return '';
  const named = model.is_candidate ? (model.reasons || '').split(',').filter(Boolean) : [];
  const reasons = named.map(reason => `<span>${dot(reason)}${label(reason)}</span>`);
  const cut = model.asks?.whole ? `<s style="left:${percent(model.asks.above)}" title="the rule’s cut"></s>` : '';
  return `<p class="chance">exposure <b>${chance.toFixed(2)}</b> bad${reasons.length ? `: ${reasons.join(' ')}` : ''}</p>
    <div class="meter" title="probability that the exposure is bad"><i style="width:${percent(chance)}"></i>${cut}</div>${taughtHtml(model)}`;
}

// Whether that probability is calibrated, and on how many labelled exposures.
function taughtHtml({ taught }) {
  if (taught === 0) return '<p class="warning">Not calibrated: too few exposures of this run have a label. This number comes from the second worst CCD alone. Use it to sort exposures, not as a probability.</p>';
  return taught && taught < FEW_TAUGHT ? `<p>Calibrated on ${taught} labelled exposures</p>` : '';
}

// What the candidate rule asks for, and what this exposure has.
function ruleHtml({ rule, asks, n_bad: nBad, n_counted: nCounted }) {
  if (!rule) return '<p>No candidate rule has scored it.</p>';
  const name = `rule <b>${escapeText(rule)}</b>`;
  if (!asks) return `<p>${name}</p>`;
  if (asks.whole) return `<p>${name} asks for over ${asks.above.toFixed(2)}</p>`;
  return `<p>${name} asks for ${asks.needed} of ${nCounted} CCDs above ${asks.above.toFixed(2)}; <b>${nBad}</b> are</p>`;
}

const shownNeighbours = answer => (answer.neighbours ?? []).slice(0, SHOWN);

// Addresses of the pictures in the evidence, so that they can be loaded before it is shown.
export function evidencePictures(answer, { stretch, version }) {
  const shown = shownNeighbours(answer).filter(({ expnum }) => hasPictures(expnum));
  return shown.map(({ image_id }) => thumbnail(image_id, stretch, version));
}

function neighboursHtml(answer, dot, label, stretch, version) {
  const shown = shownNeighbours(answer);
  if (!shown.length) return '';
  const figures = shown.map(({ image_id, expnum, ccdname, reason, distance, of_ccdname: ofCcd }) => {
    const name = `${expnum}-${ccdname}`;
    return `<figure>${pictureHtml(expnum, thumbnail(image_id, stretch, version), `alt="${escapeText(name)}, labelled ${label(reason)}"`, 'sync')}<b>${Number(distance).toFixed(2)}</b>
    <figcaption title="${escapeText(name)}, labelled ${label(reason)}: distance ${Number(distance).toFixed(2)} to ${escapeText(ofCcd)}">${dot(reason)}${label(reason)}</figcaption></figure>`;
  });
  const of = [...new Set(shown.map(neighbour => neighbour.of_ccdname))].join(', ');
  const why = answer.model?.learners ? 'They look alike to the model; its probabilities come from all labels, not from these alone.' : '';
  return `<h3>Nearest labelled <span class="of">to ${escapeText(of)}</span></h3>
    <div class="neighbours" title="${why}">${figures.join('')}</div>`;
}

function othersHtml(answer, dot, label) {
  if (!answer.mine) return '';
  const line = vote => `<div>${escapeText(vote.inspector)}: <b>${escapeText(vote.judgement)}</b>
    ${vote.reasons.map(reason => dot(reason) + label(reason)).join(' ')} ${vote.comment ? `<i>${escapeText(vote.comment)}</i>` : ''}</div>`;
  const others = answer.others?.length ? answer.others.map(line).join('') : '<div>nobody else has voted yet</div>';
  const { old } = answer;
  const before = old?.others ? `<h3>Of the old version ${escapeText(old.plver)}</h3><div class="others">${[{ ...old, inspector: 'you' }, ...old.others].map(line).join('')}</div>` : '';
  const { verdict } = answer;
  const by = verdict?.adjudicated ? ` <span class="of">decided by ${escapeText(verdict.lead)}, a lead, whatever the votes say</span>` : '';
  return `<h3>Verdict ${escapeText(verdict?.verdict ?? 'open')}${by}</h3><div class="others">${line({ ...answer.mine, inspector: 'you' })}${others}</div>${before}`;
}
