// What the page of this room takes from the room itself, said to the type checker.

export {};

declare module './page.js' {
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
