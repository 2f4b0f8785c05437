// The contract as TypeScript, as componentize-js hands it over. `wit/sender.wit` says what each part means.

export interface Sender {
  sendBatch(destination: Destination, entries: TelemetryEntry[], distinctId: string): Promise<void>;
}

export interface Destination {
  endpoint: string;
  userAgent: string;
  options: [string, string][];
}

export type InvocationStatus = 'success' | 'error' | 'user-error';

export interface TelemetryEntry {
  id: string;
  data: string;
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

export interface Rejection {
  status: number;
  body: string;
}

// What is thrown.
export type SendError =
  | { tag: 'rejected'; val: Rejection }
  | { tag: 'throttled'; val: number | undefined }
  | { tag: 'unreachable'; val: string }
  | { tag: 'invalid-configuration'; val: string }
  | { tag: 'other'; val: string };
