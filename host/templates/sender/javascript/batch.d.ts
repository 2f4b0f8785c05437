// What the host offers while a batch is sent.

declare module 'swamp:telemetry/batch@0.2.0' {
  export function fields(entry: number): import('./sender.d.ts').EntryFields;
}
