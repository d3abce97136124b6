// What the page of this room takes from the room itself, said to the type checker.

export {};

declare module './page.js' {
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
