// @ts-check
// Text for markup.

export const escapeText = text => String(text ?? '').replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`);
