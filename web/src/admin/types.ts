// The API's types for administrators (api/types.ts says where they come from).

import type { Worker } from "../../../clients/typescript/src/generated/types.gen";

export type {
  AdminJob,
  AdminUser,
  AuditEntry,
  Invitation,
  Queue,
  Storage,
  Worker,
} from "../../../clients/typescript/src/generated/types.gen";

export type WorkerState = Worker["state"];
