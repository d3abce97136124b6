// @ts-check
// Accounts in the Lead room: roles, the progress of each inspector, and their packets.

import { packetOf, packetText } from '../../basics/packet.js';
import { escapeText as text } from '../../basics/text.js';
import { complain, count, focused, plainName, when } from './words.js';

const ROLE_RULES = { inspector: 'votes', lead: 'sees all votes, decides, exports', viewer: 'looks' };

export class Accounts {
  // tools : ask(url, values), again(): read all numbers again
  constructor(node, model, { ask, again }) {
    this.node = node;
    this.model = model;
    this.ask = ask;
    this.again = again;
  }

  show(found) {
    this.found = found;
    const held = focused(this.node)?.dataset.at;
    if (this.node.querySelector('select:focus')) return;
    const progress = new Map(found.progress.inspectors.map(one => [one.name, one]));
    const order = { inspector: 0, lead: 1, viewer: 2 };
    const accounts = [...found.accounts].sort((a, b) => b.active - a.active || order[a.role] - order[b.role] || a.name.localeCompare(b.name));
    this.node.innerHTML = `<div class="title"><h2>Inspectors and accounts</h2><button type="button" data-at="add">Add an account</button></div>
      <p class="problem" role="alert" hidden></p>
      <div class="scroll" tabindex="0" role="region" aria-label="Accounts"><table class="plain accounts"><thead><tr><th>name</th><th>role</th><th>voted</th><th>left</th><th>unsure</th><th>median</th><th>time left</th><th>last vote</th><th>packet</th><th></th></tr></thead>
      <tbody>${accounts.map(account => this.row(account, progress.get(account.name))).join('')}</tbody></table></div>
      <p class="muted"><b>median</b>: time on one exposure. <b>time left</b>: at the mean time from vote to vote, pauses over five minutes left out.</p>
      ${found.about ? `<p class="muted about">${text(found.about)}</p>` : ''}`;
    this.node.querySelector('[data-at=add]').onclick = () => this.add();
    for (const button of this.node.querySelectorAll('tbody button')) button.onclick = () => this.press(button.dataset.act, button.dataset.name);
    for (const list of this.node.querySelectorAll('tbody select')) list.onchange = () => this.change({ name: list.dataset.name, role: list.value });
    if (held) this.node.querySelector(`[data-at="${CSS.escape(held)}"]`)?.focus();
  }

  row(account, progress) {
    const { name, role, active } = account;
    const mine = name === this.model.user;
    const roles = this.found.roles.map(one => `<option ${one === role ? 'selected' : ''}>${one}</option>`).join('');
    const numbers = progress
      ? [count(progress.voted), count(progress.left), progress.unsure === null ? '' : `${(100 * progress.unsure).toFixed(0)} %`,
        progress.pace_seconds === null ? '' : `${progress.pace_seconds.toFixed(1)} s`, hours(progress.hours_left), progress.last_utc ? when(progress.last_utc) : 'none yet']
      : ['', '', '', '', '', account.last_login_utc ? `here ${when(account.last_login_utc)}` : 'never here'];
    const packet = progress ? `<button type="button" class="quiet" data-at="packet-${text(name)}" data-act="packet" data-name="${text(name)}"
      aria-label="Packet of ${text(name)}">${text(packetName(progress.assigned ?? progress.packet))}${progress.assigned ? '' : progress.packet ? '<small>own choice</small>' : ''}</button>` : '';
    const act = mine ? '<span class="muted">you</span>' : `<button type="button" class="quiet" data-at="password-${text(name)}" data-act="password" data-name="${text(name)}" aria-label="New password for ${text(name)}">New password</button>
      <button type="button" class="quiet" data-at="switch-${text(name)}" data-act="${active ? 'off' : 'on'}" data-name="${text(name)}" aria-label="Switch ${text(name)} ${active ? 'off' : 'on'}">Switch ${active ? 'off' : 'on'}</button>`;
    return `<tr class="${active ? '' : 'off'}"><td class="name">${text(name)}${active ? '' : '<small>switched off</small>'}${account.locked_seconds > 0 ? '<small>paused after wrong passwords</small>' : ''}</td>
      <td>${mine ? role : `<select data-at="role-${text(name)}" data-name="${text(name)}" aria-label="Role of ${text(name)}">${roles}</select>`}</td>
      ${numbers.map(number => `<td>${number}</td>`).join('')}<td>${packet}</td><td class="act">${act}</td></tr>`;
  }

  press(act, name) {
    if (act === 'password') return this.password(name);
    if (act === 'packet') return this.packet(name);
    return this.change({ name, active: act === 'on' });
  }

  async change(values) {
    const { answer, problem } = await this.ask('lead/account/change', values);
    if (answer?.password) this.once(answer, 'New password');
    if (answer) tellEnded(answer);
    this.node.querySelector('select:focus')?.blur();
    await this.again();
    complain(this.node, problem);
    return problem;
  }

  // ---- dialogs; they are elements of the page, so that other rooms find them and ignore keys meanwhile

  open(title, body) {
    this.dialog?.remove();
    /** @type {any} */
    const dialog = this.dialog = document.createElement('dialog');
    dialog.className = 'lead-dialog';
    dialog.innerHTML = `<link rel="stylesheet" href="${new URL('./lead.css', import.meta.url)}"><form method="dialog"><h1>${text(title)}</h1>${body}
      <p class="problem" role="alert" hidden></p></form>`;
    dialog.setAttribute('aria-label', title);
    dialog.addEventListener('close', () => { dialog.remove(); if (this.dialog === dialog) this.dialog = null; });
    dialog.querySelector('[data-cancel]')?.addEventListener('click', () => dialog.close());
    document.body.append(dialog);
    dialog.showModal();
    return dialog;
  }

  add() {
    const roles = ['inspector', 'lead', 'viewer'].map(role => `<label class="radio"><input type="radio" name="role" value="${role}" ${role === 'inspector' ? 'checked' : ''}> ${role} <small>${ROLE_RULES[role]}</small></label>`).join('');
    const dialog = this.open('Add an account', `<label>Name <input type="text" name="name" required maxlength="64" autocomplete="off" spellcheck="false"></label>
      <fieldset><legend>Role</legend>${roles}</fieldset>
      <label>Password <input type="text" name="password" autocomplete="off" spellcheck="false" placeholder="left empty, one is made up"></label>
      <div class="buttons"><button type="button" data-cancel>Cancel</button><button class="primary">Add</button></div>`);
    dialog.querySelector('form').onsubmit = async event => {
      event.preventDefault();
      const { answer, problem } = await this.ask('lead/account/add', Object.fromEntries(new FormData(event.target)));
      if (problem) return complain(dialog, problem);
      if (answer.password) this.once(answer, 'The account is made'); else dialog.close();
      return this.again();
    };
  }

  password(name) {
    const dialog = this.open(`New password for ${name}`, `<label>Password <input type="text" name="password" autocomplete="off" spellcheck="false" placeholder="left empty, one is made up"></label>
      <p>The old one stops working at once, and all logins of ${text(name)} end; a pause after wrong passwords ends.</p>
      <div class="buttons"><button type="button" data-cancel>Cancel</button><button class="primary">Set</button></div>`);
    dialog.querySelector('form').onsubmit = async event => {
      event.preventDefault();
      const { answer, problem } = await this.ask('lead/account/change', { name, password: dialog.querySelector('input').value });
      if (problem) return complain(dialog, problem);
      if (answer.password) this.once(answer, 'New password'); else dialog.close();
      tellEnded(answer);
      return this.again();
    };
  }

  once({ name, password }, title) {
    const dialog = this.open(title, `<p>Give <b>${text(name)}</b> this password. It is shown only now.</p>
      <output class="password mono">${text(password)}</output>
      <div class="buttons"><button type="button" data-copy>Copy</button><button class="primary" autofocus>Done</button></div>`);
    dialog.querySelector('[data-copy]').onclick = async event => {
      try { await navigator.clipboard.writeText(password); event.target.textContent = 'Copied'; } catch { getSelection().selectAllChildren(dialog.querySelector('output')); }
    };
  }

  packet(name) {
    const progress = this.found.progress.inspectors.find(one => one.name === name);
    const packet = packetOf(progress.assigned);
    const lists = this.found.progress.packets.filter(({ values }) => values.length).map(({ name: facet, label, values }) => `<label>${text(label)}
      <select name="${facet}"><option value="">any</option>${values.filter(one => one.value).map(({ value, n, n_done: done }) => `<option value="${text(value)}" ${packet[facet] === value ? 'selected' : ''}>${text(plainName(value))} (${count(n - done)} of ${count(n)} open)</option>`).join('')}</select></label>`).join('');
    const dialog = this.open(`Packet of ${name}`, `<p>${text(name)} can choose another at any time; a new packet from you takes the place of that choice.</p>${lists}
      <div class="buttons"><button type="button" data-cancel>Cancel</button><button type="button" data-none ${progress.assigned === null ? 'disabled' : ''}>Take it back</button><button class="primary">Assign</button></div>`);
    const send = async value => {
      const { problem } = await this.ask('lead/assign', { name, packet: value });
      if (problem) return complain(dialog, problem);
      dialog.close();
      return this.again();
    };
    dialog.querySelector('[data-none]').onclick = () => send(null);
    dialog.querySelector('form').onsubmit = event => {
      event.preventDefault();
      send(packetText(Object.fromEntries([...new FormData(event.target)].filter(([, value]) => value))));
    };
  }

  close() { this.dialog?.remove(); }
}

// What a change of an account ended.
function tellEnded({ name, ended }) {
  if (ended) dispatchEvent(new CustomEvent('triptych-toast', { detail: `${ended === 1 ? 'One login' : `${ended} logins`} of ${name} ended.` }));
}

function packetName(packet) {
  return packet ? Object.values(packetOf(packet)).map(plainName).join(' · ') : 'everything';
}

function hours(value) {
  if (value === null) return '';
  if (60 * value < 1) return value ? 'under 1 min' : 'none';
  if (value < 1) return `${Math.round(60 * value)} min`;
  return `${value.toFixed(1)} h`;
}
