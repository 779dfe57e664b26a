// What the service has written into the page of a link: the same types as in src/video2mp3/api/conversions/shared.py.

interface SharedChapter {
  start_s: number;
  title: string | null;
}

interface SharedSegment {
  number: number;
  name: string;
  title: string | null;
  duration_s: number;
}

interface Shared {
  token: string;
  /** Of the file. */
  name: string;
  title: string | null;
  artist: string | null;
  album: string | null;
  has_cover: boolean;
  duration_s: number | null;
  size_bytes: number;
  expires_at: string;
  chapters: SharedChapter[];
  /** The MP3s in a ZIP; empty if the result is one MP3. */
  segments: SharedSegment[];
}

export const shared = JSON.parse(
  document.querySelector<HTMLMetaElement>('meta[name="share"]')?.content ?? "{}",
) as Shared;
