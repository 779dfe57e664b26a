// What can help after a failure, by its code. Rows offer nothing else.

import { Problem } from "../api/client";

/** Other options may avoid it. */
export const OPTIONS_HELP = [
  "audio_too_long",
  "damaged_audio",
  "invalid_cover",
  "no_picture",
  "not_mp3",
  "start_out_of_range",
  "too_many_segments",
  "track_not_found",
  "tracks_far_apart",
];

/** The service has lost what was uploaded. */
export const UPLOAD_HELPS = ["upload_deleted", "upload_damaged", "stored_data_damaged", "upload_incomplete"];

/** Deleting conversions makes room. */
export const DELETING_HELPS = ["quota_exceeded"];

/** The same request fails again, but a retry sends another one. */
export const RETRY_DIFFERS = [
  "invalid_option", // takes the options that are set for all files now
  "not_found", // sends the file to a new upload, or without a picture that was deleted
  "upload_deleted", // sends the file to a new upload
  "conflict", // asks first what the upload's state is
  "unauthenticated", // comes from a user who has signed in again
  "internal_error", // may not meet the defect again
];

/** Whether a retry can succeed, at least after the user has done what the sentence says. Of failures before a conversion. */
export function isRetryable(error: unknown): boolean {
  return !(error instanceof Problem) || error.retryable || RETRY_DIFFERS.includes(error.code);
}

export function canOptionsHelp(code: string | undefined): boolean {
  return code !== undefined && OPTIONS_HELP.includes(code);
}

export function canUploadHelp(code: string | undefined): boolean {
  return code !== undefined && UPLOAD_HELPS.includes(code);
}

export function canDeletingHelp(code: string | undefined): boolean {
  return code !== undefined && DELETING_HELPS.includes(code);
}
