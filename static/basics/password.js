// @ts-check
// The dialog in which users change their own password.

import { sendJson } from './send.js';

export function askPassword() {
  /** @type {any} */
  const dialog = document.createElement('dialog');
  dialog.className = 'password-dialog';
  dialog.setAttribute('aria-label', 'Change password');
  const name = document.body.dataset.user ?? '';
  dialog.innerHTML = `<form><h2>Change password</h2>
    <input type="text" name="username" autocomplete="username" readonly hidden>
    <label>Old password <input type="password" name="old" autocomplete="current-password" required></label>
    <label>New password <input type="password" name="new" autocomplete="new-password" required></label>
    <label>New password again <input type="password" name="again" autocomplete="new-password" required></label>
    <p class="muted">Your logins on other computers end.</p>
    <p class="bad" role="alert" hidden></p>
    <div class="buttons"><button type="button">Cancel</button><button class="primary">Change</button></div></form>`;
  dialog.querySelector('[name=username]').value = name;
  const complain = problem => {
    const place = dialog.querySelector('[role=alert]');
    place.textContent = problem;
    place.hidden = !problem;
  };
  dialog.querySelector('button[type=button]').addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', () => dialog.remove());
  dialog.querySelector('form').addEventListener('submit', async event => {
    event.preventDefault();
    const { old, new: wanted, again } = Object.fromEntries(new FormData(event.target));
    if (wanted !== again) return complain('The two new passwords differ. Type them again.');
    const { ended, problem } = await change({ old, new: wanted });
    if (problem) return complain(problem);
    dialog.close();
    const others = ended ? ` ${ended === 1 ? 'One login' : `${ended} logins`} elsewhere ended.` : '';
    return dispatchEvent(new CustomEvent('triptych-toast', { detail: `Your password is changed.${others}` }));
  });
  document.body.append(dialog);
  dialog.showModal();
}

// {ended} : how many logins elsewhere ended. {problem} : why the server did not take it
async function change(values) {
  try {
    return await sendJson('account/password', values);
  } catch (error) { return { problem: error instanceof TypeError ? 'The server does not answer. Try again.' : error.message }; }
}
