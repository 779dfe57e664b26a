// The request for a conversion. On the page, the picture of the cover is one of the options.

import type { Options } from "../api/types";

/** Stands for the upload of the picture for all files, which this browser keeps. */
export const KEPT = "kept";

type Source = { upload_id: string | null } | { source: { url: string } };
export type ConversionRequest = Source & { options: Options; cover_upload_id?: string };

/** Returns the body of the request, with the cover's upload beside the options, where the API wants it. */
export function requestOf(source: Source, options: Options): ConversionRequest {
  const { cover_upload_id: cover, ...others } = options;
  const request = { ...source, options: others };
  return typeof cover === "string" ? { ...request, cover_upload_id: cover } : request;
}
