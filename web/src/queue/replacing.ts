// Other options for a file whose MP3 is not there yet, and further MP3s of a file.

import { call } from "../api/client";
import type { Conversion, Options } from "../api/types";
import { requestOf } from "../options/request";
import type { Entry } from "./entry.svelte";
import { isEnd } from "./feed";

/** Requests a conversion with other options in place of the one that is not finished. Throws a Problem. */
export async function replaceConversion(entry: Entry, options: Options): Promise<void> {
  const before = entry.conversion;
  entry.conversion = await call<Conversion>(
    "POST",
    "v1/conversions",
    requestOf({ upload_id: entry.uploadId }, options),
  );
  entry.options = options;
  entry.progress = null;
  if (!before) return;
  const canceled = await call<Conversion | null>("DELETE", `v1/conversions/${before.id}`);
  // Nobody has asked for it, so it is not in the history either. A running one is canceled within seconds.
  if (canceled && isEnd(canceled.state)) await call("DELETE", `v1/conversions/${before.id}`);
}
