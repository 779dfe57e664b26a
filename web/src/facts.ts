// What the service has written into the page of its settings.

interface Facts {
  sends_email: boolean;
  /** The fewest characters of a new password. */
  password_min_length: number;
  /** How long uploads are kept after their last use, in seconds. */
  upload_retention_s: number;
  /** Whether the service converts files at URLs. */
  takes_urls: boolean;
  /** How long MP3s are kept, in seconds. */
  result_retention_s: number;
}

export const facts = JSON.parse(
  document.querySelector<HTMLMetaElement>('meta[name="video2mp3"]')?.content ?? "{}",
) as Facts;
