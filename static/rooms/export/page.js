// @ts-check
// Draws the Export room: policies, differences, formats and the preview, from the state that export.js keeps.

const FORMAT_NAMES = { exclude: 'exclude list', vi: 'inspection table', csv: 'CSV', ecsv: 'ECSV', fits: 'FITS table', parquet: 'Parquet' };
const VERDICTS = [['bad', 'var(--bad)'], ['good', 'var(--good)'], ['split', 'var(--wait)'], ['open', 'var(--control)']];
// where the exposure's number is in a line of each format
const EXPNUM = { bad_expid: /^(\d+)/, exclude: /^\d+\s+(\d+)/, vi: /^(\d+),/, csv: /^\w+,(\d+),/, ecsv: /^\S+\s(\d+)\s/ };
const number = value => value.toLocaleString('en');
const text = value => String(value ?? '').replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`);
const plain = name => text(String(name).replaceAll('_', ' '));

export class ExportPage {
  find(selector) { return this.box.querySelector(selector); }

  draw() {
    const { counts } = this;
    const had = this.box.getRootNode().activeElement?.dataset ?? {};
    const scrolled = this.find('.side')?.scrollTop ?? 0;
    const judged = `${number(counts.n_judged)} exposures judged${this.reasons.size ? ' that somebody calls bad for these reasons' : ''}; this run has ${number(counts.n_exposures)}.`;
    this.box.innerHTML = `<div class="export"><div class="side" tabindex="-1">
      <h2>Policy</h2>
      <table class="plain policies"><thead><tr><th scope="col">votes of ${counts.panel} inspectors</th><th scope="col">listed</th>
        <th scope="col" title="of those listed: bad by a single inspector’s vote">one vote</th><th scope="col" title="of those listed: bad by a lead’s decision">decision</th>
        <th scope="col">verdicts</th></tr></thead>
        <tbody role="radiogroup" aria-label="policy">${counts.policies.map(policy => this.row(policy)).join('')}</tbody></table>
      <p class="keyline">${VERDICTS.map(([name, colour]) => `<span><i class="dot" style="background:${colour}"></i>${name}</span>`).join('')}
        <span class="muted">split: all voted and do not decide; open: votes are missing</span></p>
      <h2>Which exposures</h2>
      <div class="which">
        <div class="reasons" role="group" aria-label="only these reasons"><button class="chip" data-reason="" aria-pressed="${!this.reasons.size}">all reasons</button>${counts.reasons.map(reason => this.reasonChip(reason)).join('')}</div>
        <label class="check"><input type="checkbox" data-old ${this.old ? 'checked' : ''} ${counts.n_old ? '' : 'disabled'}> ${counts.n_old ? `also ${number(counts.n_old)} judged on another pipeline version than this run’s` : 'none was judged on another pipeline version'}</label>
        <p>${judged}</p>
      </div>
      <h2>What differs <select data-other aria-label="compared with">${this.others()}</select></h2>
      <div class="difference" data-part="difference"><p class="muted">Comparing…</p></div>
      <h2>Format</h2>
      <div class="formats" role="group" aria-label="format">${counts.formats.map(format => this.formatButton(format)).join('')}</div>
      </div><div class="rule"></div>
      <div class="paper"><div class="head">Writing the list…</div><pre tabindex="0" role="region" aria-label="Preview"></pre>
        <div class="foot"><a class="button primary" download>Download</a><span class="muted facts"></span>
          <label>sha256 <code data-part="sha"></code></label>
          <label>the same bytes by <code data-part="command" tabindex="0"></code><button class="quiet" data-copy title="Copy the command line">copy</button></label></div></div></div>`;
    this.listenTo();
    this.mark();
    this.find('.side').scrollTop = scrolled;
    const again = 'reason' in had ? `[data-reason="${had.reason}"]` : 'old' in had ? '[data-old]' : had.policy ? `[data-policy=${had.policy}]` : '';
    if (again) this.find(again)?.focus();
  }

  listenTo() {
    for (const row of this.box.querySelectorAll('tbody tr')) {
      row.onclick = () => this.choose({ policy: row.dataset.policy });
      row.onkeydown = event => { if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); this.choose({ policy: row.dataset.policy }); } };
    }
    for (const button of this.box.querySelectorAll('.formats button')) button.onclick = () => this.choose({ format: button.dataset.format });
    for (const chip of this.box.querySelectorAll('[data-reason]')) chip.onclick = () => (chip.dataset.reason ? this.toggleReason(chip.dataset.reason) : this.choose({ reasons: new Set() }));
    this.find('[data-old]').onchange = event => this.choose({ old: event.target.checked });
    this.find('[data-other]').onchange = event => this.choose({ other: event.target.value });
    this.find('[data-copy]').onclick = event => {
      navigator.clipboard?.writeText(this.find('[data-part=command]').textContent);
      event.target.textContent = 'copied';
    };
    this.find('pre').onclick = event => {
      const line = event.target.closest('[data-expnum]');
      if (!line || String(getSelection())) return;
      this.chooseLine(line);
      this.where(line.dataset.expnum);
    };
    this.find('.difference').onclick = event => { const button = event.target.closest('[data-expnum]'); if (button) this.look(Number(button.dataset.expnum)); };
  }

  row(policy) {
    const total = VERDICTS.reduce((sum, [name]) => sum + policy[name], 0) || 1;
    const bar = VERDICTS.map(([name, colour]) => `<i style="width:${100 * policy[name] / total}%;background:${colour}"></i>`).join('');
    const said = VERDICTS.map(([name]) => `${number(policy[name])} ${name}`).join(', ');
    return `<tr data-policy="${policy.name}" tabindex="0" role="radio"><td class="name">${policy.name}<small>${policy.rule}</small></td>
      <td class="listed">${number(policy.listed)}</td><td>${number(policy.one_vote)}</td><td>${number(policy.decided)}</td>
      <td class="counts"><span class="bar" role="img" aria-label="${said}">${bar}</span><small>${VERDICTS.map(([name]) => `<span title="${name}">${number(policy[name])}</span>`).join('')}</small></td></tr>`;
  }

  reasonChip({ name, key, colour, count }) {
    return `<button class="chip" data-reason="${name}" aria-pressed="${this.reasons.has(name)}"><i class="swatch" style="background:${colour}"></i>${text(key)} ${plain(name)}<span class="count">${number(count)}</span></button>`;
  }

  others() {
    return this.counts.policies.filter(({ name }) => name !== this.policy).map(({ name }) => `<option value="${name}"${name === this.other ? ' selected' : ''}>from ${name}</option>`).join('');
  }

  formatButton({ name, holds }) {
    return `<button data-format="${name}">${FORMAT_NAMES[name] || name}<small>${holds}</small></button>`;
  }

  mark() {
    for (const row of this.box.querySelectorAll('tbody tr')) row.setAttribute('aria-checked', String(row.dataset.policy === this.policy));
    for (const button of this.box.querySelectorAll('.formats button')) button.setAttribute('aria-pressed', String(button.dataset.format === this.format));
    this.find('[data-other]').innerHTML = this.others();
    this.find('.foot a').href = `export/file/${this.format}/${this.policy}${this.asked}`;
  }

  // ---- differences

  drawDifference({ one, other, only_one: more, only_other: fewer, problem }) {
    const place = this.find('[data-part=difference]');
    if (!place) return;
    if (problem) { place.innerHTML = `<p class="muted">${text(problem)}</p>`; return; }
    const rows = ({ count, exposures }) => exposures.map(row => this.differenceRow(row)).join('') + (count > exposures.length ? `<li class="muted">and ${number(count - exposures.length)} more</li>` : '');
    const part = (sign, words, found, kind) => `<section><h3 class="${kind}">${sign}${number(found.count)} <span>${words}</span></h3>
      ${found.count ? `<ol tabindex="0" aria-label="${words}">${rows(found)}</ol>` : ''}</section>`;
    place.innerHTML = more.count + fewer.count
      ? part('+', `on this list, not under ${other}`, more, 'more') + part('−', `under ${other}, not on this list`, fewer, 'fewer')
      : `<p class="muted">Nothing: ${one} and ${other} list the same exposures.</p>`;
  }

  differenceRow({ expnum, in_run: inRun, n_bad: bad, n_good: good, n_unsure: unsure, reasons, other_verdict: verdict }) {
    const votes = [[bad, 'bad'], [good, 'good'], [unsure, 'unsure']].filter(([n]) => n).map(([n, name]) => `${n} ${name}`).join(', ') || 'no votes';
    return `<li><button data-expnum="${expnum}" ${inRun ? '' : 'disabled title="not in this run"'}><span class="id">${expnum}</span><span class="what">${votes}${reasons.length ? ` · ${plain(reasons.join(', '))}` : ''}</span><span class="muted">${verdict}</span></button></li>`;
  }

  // ---- the preview

  stepLine(step) {
    const lines = [...this.box.querySelectorAll('pre [data-expnum]')];
    const at = lines.findIndex(line => line.ariaCurrent === 'true');
    this.chooseLine(lines[Math.max(0, Math.min(lines.length - 1, at + step))]);
    return lines.length > 0;
  }

  chooseLine(line) {
    this.find('pre [aria-current]')?.removeAttribute('aria-current');
    line?.setAttribute('aria-current', 'true');
    line?.scrollIntoView({ block: 'nearest' });
  }

  drawPreview(found) {
    const [head, paper] = [this.find('.paper .head'), this.find('pre')];
    const shown = found.text.split('\n');
    head.innerHTML = '<strong class="id"></strong><span></span>';
    head.firstChild.textContent = found.name;
    const part = shown.length < found.n_lines ? `first ${shown.length} of ${number(found.n_lines)} lines` : `${found.n_lines} lines`;
    head.lastChild.textContent = found.problem ? '' : part + (found.shown_as !== this.format ? `, shown as ${found.shown_as}` : '');
    paper.replaceChildren(...shown.map(line => {
      const node = document.createElement('span');
      node.textContent = `${line}\n`;
      const expnum = line.startsWith('#') ? null : EXPNUM[found.shown_as ?? this.format]?.exec(line)?.[1];
      if (line.startsWith('#')) node.className = 'comment';
      if (expnum) Object.assign(node.dataset, { expnum });
      if (expnum) node.title = `where ${expnum} comes from`;
      return node;
    }));
    if (found.n_bad === 0) paper.insertAdjacentHTML('beforeend', '\n<span class="comment">No exposure is bad under this policy yet.</span>');
    this.find('.foot').hidden = Boolean(found.problem);
    this.find('.facts').textContent = `${found.name}, ${number(found.n_bytes)} bytes`;
    this.find('[data-part=sha]').textContent = found.sha256 ?? '';
    this.find('[data-part=command]').textContent = found.command ?? '';
    this.find('[data-copy]').textContent = 'copy';
  }

  drawFailed(why) {
    this.box.innerHTML = '<div class="empty"><strong>The lists could not be made.</strong><span></span><button>Try again</button></div>';
    this.find('span').textContent = why === 'Failed to fetch' ? 'There is no connection to the server.' : why;
    this.find('button').onclick = () => this.load();
  }
}
