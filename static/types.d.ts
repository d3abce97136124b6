// What the type checker has to be told (`make lint`); no browser reads this file.
//
// A room is a class over a page: the page draws what the room keeps. What a page takes from its room, the
// types.d.ts beside it says.

export {};

declare global {
  // Every element of the page is HTML or SVG.
  interface Element extends HTMLOrSVGElement, ElementCSSInlineStyle {}

  // An element that its room finds by name: of which kind it is, the room's own markup says.
  interface Part extends HTMLElement {
    value: string;
    checked: boolean;
    disabled: boolean;
    href: string;
    querySelector(selectors: string): any;
    querySelectorAll(selectors: string): any;
    getRootNode(): any;
    addEventListener(type: string, listener: (event: any) => void, options?: any): void;
    onchange: (event: any) => void;
  }

  // What a verdict, a vote or the ticks say of an exposure (rooms/review/verdict_of_ccds.js).
  interface Rolled { state: 'good' | 'some' | 'whole' | 'unsure'; n: number; text: string }

  // Part of the canvas that the panel shows (mosaic/view.js), and a rectangle on the canvas: x, y, width, height.
  interface View { x: number; y: number; scale: number }
  type Rect = [number, number, number, number];

  // Who hears of letters (frame/outbox.js).
  interface OutboxHooks {
    onState?: (state: { waiting: number; problem: string }) => void;
    onSaved?: (body: any, answer: any) => void;
    onRefused?: (body: any, text: string) => void;
  }

  interface Window {
    Bokeh?: any;
    __adjudicate?: any;      // what browser tests ask
    __clusters?: any;
    __review?: any;
  }

  interface WindowEventMap {
    'triptych-ahead': CustomEvent<number[]>;
    'triptych-enlarge': CustomEvent;
    'triptych-saved': CustomEvent;
    'triptych-toast': CustomEvent<string>;
  }
}
