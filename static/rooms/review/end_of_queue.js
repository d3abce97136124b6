// @ts-check
// What Review says when no exposure waits: why, and the next step.

import { packetOf } from '../../basics/packet.js';
import { escapeText } from '../../basics/text.js';

const room = (name, words) => `<button data-go="${name}">${words}</button>`;

/** @param {any} review the Review room */
export function endOfQueue({ canVote, votes, total, model, bar }) {
  const packet = Object.values(packetOf(bar?.choices?.packet ?? '')).map(name => escapeText(name.replaceAll('_', ' '))).join(' · ');
  const lead = model.role === 'lead';
  const choose = '<button data-verb="choose"><span class="key">o</span>order and packet</button>';
  if (!votes.length && !total && !packet) {
    return said('There are no candidates.', lead ? 'They come from the model: import labels, then train, predict and find candidates; then they wait here, the most suspicious first.'
      : 'A lead has to train a model first; then candidates wait here, the most suspicious first. Until then look around in Explore.', [room('explore', 'Explore'), lead && room('model', 'Model')]);
  }
  if (!canVote) return said('No candidate waits.', 'All have the votes that they need.', [room('explore', 'Explore'), room('agreement', 'Agreement')]);
  const done = packet ? [`Your packet is done: ${packet}.`, 'Choose another one, or all candidates.'] : ['Your queue is empty.', 'Every candidate has your vote, or needs none of yours. Click a vote at the right to see it again.'];
  return said(done[0], done[1], [choose, room('agreement', 'how you agree'), lead && room('adjudicate', 'what the votes leave open'), lead && room('model', 'learn from the votes')]);
}

function said(title, words, steps) {
  return `<h2>${title}</h2><div>${words}</div><div class="steps">${steps.filter(Boolean).join(' ')}</div>`;
}
