// What a section of the Model room brings itself, said to the type checker.

export {};

declare module './section.js' {
  interface Section {
    load(): Promise<void>;
    fill(): void;
    click(event: Event): void;
  }
}
