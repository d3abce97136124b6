// @ts-check
// The browser's own import() for the code that Panel loads. Inside that code, Panel's polyfill has another one.

/** @type {any} */ (window).nativeImport = address => import(address);
