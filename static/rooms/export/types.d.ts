// What the page of this room takes from the room itself, said to the type checker.

export {};

declare module './page.js' {
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
