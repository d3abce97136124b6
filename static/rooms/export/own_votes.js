// @ts-check
// The Export room for users who are not leads: their own votes. They may not see the lists, which hold all users' votes.

import { escapeText as text } from '../../basics/text.js';
import { moment } from '../../basics/when.js';

export async function mountOwn(box, model) {
  let stale = false;
  const draw = async () => {
    stale = false;
    let found;
    try {
      const response = await fetch('export/mine/summary');
      found = response.ok ? await response.json() : null;
    } catch { found = null; }
    box.innerHTML = found ? page(found, model.role) : '<div class="empty"><strong>Your votes did not arrive.</strong><span>Check the connection, then open the room again.</span></div>';
    stale = !found;
  };
  model.on('revision', () => { if (model.room === 'export') draw(); else stale = true; });
  model.on('room', () => { if (stale && model.room === 'export') draw(); });
  await draw();
}

function page({ name, counts, ccds, votes }, role) {
  const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
  const rows = votes.map(({ expnum, judgement, reasons, comment, created_utc: when }) => `<tr><td class="id">${expnum}</td><td class="j-${judgement}">${judgement}</td>
    <td>${text(reasons.join(', ').replaceAll('_', ' '))}</td><td class="comment">${text(comment)}</td><td class="muted">${text(moment(when))}</td></tr>`).join('');
  const none = role === 'viewer' ? 'A viewer does not vote; a lead can change your role.' : 'You have not voted yet. Review is where votes are cast.';
  return `<div class="own"><section><h2>Your votes</h2>
      <p class="figures">${Object.entries(counts).map(([judgement, n]) => `<span><b class="j-${judgement}">${n.toLocaleString('en')}</b> ${judgement}</span>`).join('')}<span><b>${ccds.toLocaleString('en')}</b> CCDs ticked</span></p>
      <p><a class="button${total ? ' primary' : ''}" href="export/mine" download>Download your own votes</a> <span class="muted">${text(name)}</span></p>
      <p>The lists of bad exposures hold all users’ votes. Inspectors must vote without knowing these, so only a lead exports the lists.</p></section>
    <div class="table" tabindex="0" role="region" aria-label="your last votes">${rows ? `<table class="plain"><thead><tr><th>exposure</th><th>vote</th><th>reasons</th><th>note</th><th>when</th></tr></thead><tbody>${rows}</tbody></table>` : `<p class="empty">${none}</p>`}</div></div>`;
}
