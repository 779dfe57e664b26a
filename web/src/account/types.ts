// The API's types of an account (api/types.ts says where they come from).

import type { ApiKey } from "../../../clients/typescript/src/generated/types.gen";

export type {
  ApiKey,
  Delivery,
  Session,
  Usage,
  Used,
  Webhook,
} from "../../../clients/typescript/src/generated/types.gen";

export type Scope = ApiKey["scopes"][number];
export const SCOPES: readonly Scope[] = ["read", "convert", "admin"];
