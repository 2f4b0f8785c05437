// The contract as TypeScript, as componentize-js hands it over. `wit/sender.wit` says what each part means.

export interface Sender {
@0.1   sendBatch(destination: Destination, entries: TelemetryEntry[], distinctId: string): Promise<void>;
@0.2   sendBatch(destination: Destination, entries: Entry[]): Promise<Outcome[]>;
@0.2 }
@0.2 
@0.2 export interface Description {
@0.2   describe(): SenderDescription;
}

export interface Destination {
  endpoint: string;
  userAgent: string;
@0.2   distinctId: string;
  options: [string, string][];
}

export type InvocationStatus = 'success' | 'error' | 'user-error';

@0.1 export interface TelemetryEntry {
@0.2 export interface Entry {
  id: string;
  data: string;
@0.2 }
@0.2 
@0.2 export interface EntryFields {
  command?: string;
  subcommand?: string;
  args?: string[];
  optionKeys?: string[];
  globalOptions?: string[];
  status?: InvocationStatus;
  errorType?: string;
  errorMessage?: string;
  exitCode?: number;
  startedAt?: bigint;
  completedAt?: bigint;
  durationMs?: bigint;
  swampVersion?: string;
  platform?: string;
}

@0.2 export type Outcome = { tag: 'taken' } | { tag: 'rejected'; val: string } | { tag: 'later' };
@0.2 
export interface Rejection {
  status: number;
  body: string;
}

// What is thrown.
@0.1 export type SendError =
@0.2 export type Failure =
  | { tag: 'rejected'; val: Rejection }
  | { tag: 'throttled'; val: number | undefined }
  | { tag: 'unreachable'; val: string }
  | { tag: 'invalid-configuration'; val: string }
  | { tag: 'other'; val: string };
@0.2 
@0.2 export interface OptionDescription {
@0.2   name: string;
@0.2   meaning: string;
@0.2   required: boolean;
@0.2   default?: string;
@0.2   allowed: string[];
@0.2 }
@0.2 
@0.2 export interface SenderDescription {
@0.2   name: string;
@0.2   version: string;
@0.2   description: string;
@0.2   homepage?: string;
@0.2   license?: string;
@0.2   options: OptionDescription[];
@0.2 }
