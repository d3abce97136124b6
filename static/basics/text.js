// @ts-check
// Escapes text for use in HTML.

export const escapeText = text => String(text ?? '').replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`);
