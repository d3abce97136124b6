// What the page of this room takes from the room itself, said to the type checker.

export {};

declare module './page.js' {
  interface ReviewPage {
    box: any; model: any; mosaic: any; outbox: any; help: any; bar?: any; tour?: any;
    canVote: boolean; assisted: boolean; choosing: boolean; stretch: string; comment: string; problem: string;
    expnum: number; origin: number; opened: number; shownAt: number | null; order: number; total: number; behind?: number;
    queue: number[]; votes: any[]; vocabulary: any[]; facts: Map<number, any>; answers: Map<string, any>; colours: Record<string, string>;
    reasons: Set<string>; ticked: Set<string>; suggested: Set<string>; skipped: Set<number>; shown: any; said: { n: number; unsure: number };
    drawViewing(): void;
    rollUp(): Rolled;
    scopeOf(vote: any): string;
    judge(judgement: string): boolean;
    bad(): void;
    asksForCcds(): boolean;
    onCcds(): boolean;
    finish(): void;
    notHere(expnum: number): void;
    pickReason(name: string, several: boolean): void;
    findNote(): void;
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
    visible(): boolean;
    where(): void;
  }
}
