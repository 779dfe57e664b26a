// The API's responses for administrators (src/video2mp3/api/admin/routes.py, admin_users.py, audit.py).

import type { State } from "../api/types";

export interface AdminJob {
  id: string;
  user: { id: string; username: string };
  state: State;
  priority: string;
  percent: number;
  source_name: string;
  source_size_bytes: number;
  worker_id: string | null;
  claims: number;
  failures: number;
  lost_leases: number;
  not_before: string | null;
  cancel_requested: boolean;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  error: { code: string; detail: string } | null;
}

export type WorkerState = "idle" | "busy" | "draining" | "drained" | "lost";

export interface Worker {
  id: string;
  host: string;
  state: WorkerState;
  slots: number;
  started_at: string;
  heartbeat_age_s: number;
  jobs: { id: string; percent: number }[];
}

export interface Queue {
  waiting: number;
  queued: Record<string, number>;
  delayed: number;
  announced: number;
  processing: number;
  oldest_queued_s: number | null;
  notifications: number;
  oldest_notification_s: number | null;
  open_slots: number;
}

export interface Stored {
  count: number;
  bytes: number;
}

export interface Storage {
  uploads: Stored;
  results: Stored;
  free_bytes: number;
}

export interface AdminUser {
  id: string;
  username: string;
  email: string | null;
  role: "user" | "admin";
  created_at: string;
  disabled_at: string | null;
}

export interface AuditEntry {
  id: string;
  at: string;
  action: string;
  by: { id: string; username: string | null } | null;
  about: string | null;
  detail: string;
  address: string | null;
}

export interface Invitation {
  id: string;
  created_at: string;
  expires_at: string;
  used_at: string | null;
}
