// The API's responses about an account (src/video2mp3/api/frame/schemas.py, keys.py, webhooks.py).

export interface Session {
  id: string;
  created_at: string;
  last_used_at: string;
  user_agent: string;
  address: string;
  current: boolean;
}

export const SCOPES = ["read", "convert", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

export interface ApiKey {
  id: string;
  name: string;
  scopes: Scope[];
  hint: string;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
}

export interface Webhook {
  id: string;
  url: string;
  events: string[];
  created_at: string;
  disabled_at: string | null;
}

export interface Delivery {
  id: string;
  event: string;
  conversion_id: string;
  state: "queued" | "sending" | "sent" | "failed";
  attempts: number;
  status: number | null;
  problem: string | null;
  created_at: string;
  next_attempt_at: string | null;
  delivered_at: string | null;
}

export interface Used {
  used: number;
  limit: number;
}

export interface Usage {
  waiting_jobs: Used;
  uploads: Used;
  bytes: Used;
}
