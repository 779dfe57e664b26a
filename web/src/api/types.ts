// The API's types as clients/typescript has them (`make clients` generates them from the API's description).

import type * as api from "../../../clients/typescript/src/generated/types.gen";

export type {
  PlannedSegment,
  Probe,
  Result,
  Segment,
  Waveform,
} from "../../../clients/typescript/src/generated/types.gen";

export type State = api.Conversion["state"];
export type Me = api.SignedInAccount;
export type ProblemBody = api.Problem;
/** One event of /v1/conversions/{id}/events: the description of the API has no types for streams. */
export interface Progress {
  id: string;
  state: State;
  percent: number;
  done_s: number;
  speed: number | null;
  eta_s: number | null;
  error: { code: string; retryable: boolean } | null;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export type OptionValue = string | number | boolean | null;
/** The page knows options by their schema only. */
export type Options = Record<string, OptionValue>;

export type Conversion = Omit<api.Conversion, "options"> & { options: Options };
