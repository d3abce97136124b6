// What the type checker has to be told (`make lint`); no browser reads this file.
//
// A room is a class over a page: the page draws what the room keeps. A page says here what it takes from its room.

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

  // What a verdict, a vote or the ticks say of an exposure (roll_up.js).
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

declare module './adjudicate_page.js' {
  interface AdjudicatePage {
    box: any; model: any; mosaic: any; outbox: any;
    items: any[]; decisions: any[]; states: any[]; vocabulary: any[]; phrases: Record<string, string[]>; colours: Record<string, string>;
    chosen: Set<string>; reasons: Set<string>; lastWhy: Record<string, string>;
    expnum: number; step: string; judgement: string; order: string; panel: number; problem: string; shown: any; slots: any;
    stretch: string; scale: string; inverted: boolean; named: boolean; opinion: boolean; withoutPictures: boolean;
    list(): any[];
    item(expnum: number): any;
    next(step?: number): void;
    open(expnum: number): void;
    begin(judgement: string): void;
    pickReason(name: string, several: boolean): void;
    decide(why: string): void;
    retract(decision: any): void;
    showTicks(inspector?: string): void;
    skip(): void;
    undo(): void;
    where(): void;
  }
}

declare module './clusters_page.js' {
  interface ClustersPage {
    box: any; model: any; answer: any;
    open: any; exposures: any[]; sort: string; reason: string; least: number; unjudged: boolean; ccds: boolean; stretch: string; stale: boolean;
    watch?: MutationObserver;
    list(): any[];
    choose(cluster: number): void;
    filter(values: object): void;
    judge(): void;
    look(expnum: number): void;
    more(): void;
    onMap(): void;
    setPictures(ccds: boolean): void;
    setStretch(): void;
  }
}

declare module './export_page.js' {
  interface ExportPage {
    box: any; counts: any;
    policy: string; other: string; format: string; old: boolean; reasons: Set<string>;
    readonly asked: string;
    choose(values: object): void;
    load(): void;
    look(expnum: number): void;
    toggleReason(name: string): void;
    where(expnum: string): boolean;
  }
}

declare module './review_page.js' {
  interface ReviewPage {
    box: any; model: any; mosaic: any; outbox: any; help: any; tour?: any;
    canVote: boolean; assisted: boolean; choosing: boolean; stretch: string; comment: string; problem: string;
    expnum: number; origin: number; opened: number; order: number; total: number;
    queue: number[]; votes: any[]; vocabulary: any[]; facts: Map<number, any>; answers: Map<string, any>; colours: Record<string, string>;
    reasons: Set<string>; ticked: Set<string>; skipped: Set<number>; shown: any; said: { n: number; unsure: number };
    drawViewing(): void;
    rollUp(): Rolled;
    scopeOf(vote: any): string;
    judge(judgement: string): void;
    bad(): void;
    pickReason(name: string, several: boolean): void;
    write(): void;
    next(): void;
    open(expnum: number): void;
    explain(expnum: number): void;
    forget(expnum: number): void;
    judgeRun(): void;
    load(): void;
    lookAt(expnum: number): void;
    rules(keep?: boolean): void;
    say(text: string): void;
    skip(): void;
    toggleModel(): void;
    where(): void;
  }
}

declare module './model_section.js' {
  interface Section {
    load(): Promise<void>;
    fill(): void;
    click(event: Event): void;
  }
}
