// What can help after a failure, by its code. Rows offer nothing else.

/** Other options may avoid it. */
const OPTIONS_HELP = [
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
const UPLOAD_HELPS = ["upload_deleted", "upload_damaged", "stored_data_damaged", "upload_incomplete"];

/** Nothing changes them but another file or another account. */
const FINAL = ["empty_file", "forbidden", "insufficient_scope", "upload_too_large"];

/** Whether a retry can succeed, at least after the user has done what the sentence says. Of failures before a conversion. */
export function isRetryable(code: string): boolean {
  return !FINAL.includes(code);
}

export function canOptionsHelp(code: string | undefined): boolean {
  return code !== undefined && OPTIONS_HELP.includes(code);
}

export function canUploadHelp(code: string | undefined): boolean {
  return code !== undefined && UPLOAD_HELPS.includes(code);
}

/** Whether deleting conversions makes room. */
export function canDeletingHelp(code: string | undefined): boolean {
  return code === "quota_exceeded";
}
