// What the drawing of the mosaic takes from the rest of it, said to the type checker.

export {};

declare module './drawing.js' {
  interface MosaicDrawing {
    options: any; pictures: any; furniture: any; masks: any; root: HTMLElement;
    expnum: number; picture: any; ccds: any[]; geometry: any; opened: any; other: any; blinked: number[]; next: number[];
    view: View; fits: boolean; overlay: any; verdict: Rolled; ticked: Set<string>; focus: string; hover: string; keyed: string; byKeyboard?: boolean;
    cursor: [number, number]; destroyed?: boolean;
    listeners: Record<'pick' | 'tick' | 'change', Set<(detail: any) => void>>;
    readyNow?: (value?: any) => void;
    changed(kind: string): void;
    openCcd(ccdname: string): Promise<void>;
    screen(): any;
  }
}
