// The API's responses, as far as the page reads them (src/video2mp3/api/frame/schemas.py, representations.py, results.py).

export type State = "waiting" | "queued" | "processing" | "finished" | "failed" | "canceled";

export interface ProblemBody {
  code: string;
  detail: string;
  status: number;
  retryable: boolean;
  request_id: string;
  errors: { field: string; message: string }[] | null;
}

export interface Me {
  id: string;
  username: string;
  email: string | null;
  email_verified: boolean;
  email_notifications: boolean;
  role: "user" | "admin" | (string & {});
  created_at: string;
  signed_in_by: "token" | "cookie" | "loopback";
  /** The account of this machine's user: it has no password and cannot be deleted. */
  built_in: boolean;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export interface Segment {
  number: number;
  name: string;
  title: string | null;
  track: number;
  start_s: number;
  duration_s: number;
  size_bytes: number;
  url: string | null;
}

export interface Result {
  name: string;
  media_type: "audio/mpeg" | "application/zip";
  size_bytes: number;
  sha256: string;
  duration_s: number | null;
  url: string | null;
  /** Number of the source's audio tracks. */
  tracks: number;
  segments: Segment[] | null;
}

export type OptionValue = string | number | boolean | null;
export type Options = Record<string, OptionValue>;

export interface Conversion {
  id: string;
  state: State;
  blocked_reason: string | null;
  percent: number;
  tag: string | null;
  source: {
    name: string;
    size_bytes: number;
    duration_s: number | null;
    upload_id: string | null;
    url: string | null;
  };
  options: Options;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  expires_at: string | null;
  result: Result | null;
  error: { code: string; detail: string; retryable: boolean } | null;
}

/** One event of /v1/conversions/{id}/events. */
export interface Progress {
  id: string;
  state: State;
  percent: number;
  done_s: number;
  speed: number | null;
  eta_s: number | null;
  error: { code: string; retryable: boolean } | null;
}

export interface Waveform {
  duration_s: number;
  step_s: number;
  peaks: number[];
}

/** The content of an upload. All texts come from the file and are untrusted. */
export interface Probe {
  container: string;
  tracks: {
    codec: string;
    language: string | null;
    title: string | null;
    flags: string[];
    channels: number;
    sample_rate_hz: number;
    duration_s: number | null;
    decodable: boolean;
  }[];
  duration_s: number | null;
  chapters: { start_s: number; end_s: number; title: string | null }[];
  title: string | null;
  has_video: boolean;
  tags: Record<string, string>;
  cover: string | null;
  estimated_size_bytes: number | null;
  estimated_time_s: number | null;
  warnings: string[];
}
