// Pictures for the cover, made in the browser: a frame of a video, or a picture of the user's.

import { call } from "../api/client";

/** The picture that becomes the cover, as the controls report it. */
export interface Picture {
  file: Blob | null;
  /** Whether it has yet to be chosen. */
  isMissing: boolean;
  /** Until when the chosen frame is drawn. Then it is reported; this promise never rejects. */
  drawing?: Promise<void>;
}

/** Longest side, in pixels: what the service makes of larger pictures, too. */
const MAX_SIDE = 1000;
/** What the browser is asked to decode. A JPEG of 100 megapixels has about 50 MB. */
export const MAX_FILE_BYTES = 64 * 1024 ** 2;
const PATIENCE_MS = 15_000;
/** A browser draws nothing for a tab in the background, and does not say so. */
const DRAWING_MS = 2000;
/** Mean brightness, from 0 to 255, below which a frame shows nothing. */
const DARK = 24;

/** The browser cannot decode it. */
export class Unreadable extends Error {}
/** There is no video in the file. */
export class NoVideo extends Error {}

/**
 * Opens a video to take frames of it. The caller has to call `closeVideo`.
 *
 * Throws Unreadable or NoVideo.
 */
export async function openVideo(file: File): Promise<HTMLVideoElement> {
  const video = document.createElement("video");
  video.muted = true;
  video.preload = "auto";
  video.src = URL.createObjectURL(file);
  try {
    await happened(video, "loadeddata");
    if (!video.videoWidth) throw new NoVideo();
    return video;
  } catch (error) {
    closeVideo(video);
    throw error;
  }
}

export function closeVideo(video: HTMLVideoElement): void {
  URL.revokeObjectURL(video.src);
  video.removeAttribute("src");
  video.load();
}

/** Draws the frame at that time, or the last one, upright and with square pixels. Throws Unreadable. */
export async function drawFrame(video: HTMLVideoElement, seconds: number, canvas: HTMLCanvasElement): Promise<void> {
  const [sought, shown] = [happened(video, "seeked"), isShown(video)];
  video.currentTime = Math.min(seconds, lastFrameOf(video));
  await sought;
  await shown; // on a busy machine, Chromium hands the frame to its compositor after that event
  draw(video, video.videoWidth, video.videoHeight, canvas);
}

/** The latest time that surely shows a frame. */
export function lastFrameOf(video: HTMLVideoElement): number {
  return Number.isFinite(video.duration) ? Math.max(0, video.duration - 0.1) : 0;
}

/** Returns a time at which the video shows something: not the black in which many begin. */
export async function brightTime(video: HTMLVideoElement): Promise<number> {
  const canvas = document.createElement("canvas");
  const end = lastFrameOf(video);
  const times = [Math.min(3, end / 10), end / 4, end / 2];
  for (const time of times) {
    await drawFrame(video, time, canvas);
    if (brightnessOf(canvas) > DARK) return time;
  }
  return times[0] ?? 0;
}

/** Takes the frame at that time. Throws Unreadable or NoVideo. */
export async function frameOf(file: File, seconds: number): Promise<Blob> {
  const video = await openVideo(file);
  try {
    const canvas = document.createElement("canvas");
    await drawFrame(video, seconds, canvas);
    return await jpegOf(canvas);
  } finally {
    closeVideo(video);
  }
}

/** Draws a picture of the user's, upright and scaled down. Throws Unreadable. */
export async function drawPicture(file: Blob, canvas: HTMLCanvasElement): Promise<void> {
  if (file.size > MAX_FILE_BYTES) throw new Unreadable();
  let picture: ImageBitmap;
  try {
    picture = await createImageBitmap(file);
  } catch {
    throw new Unreadable();
  }
  draw(picture, picture.width, picture.height, canvas);
  picture.close();
}

/** Returns what a canvas shows, without anything that the picture said besides: the place, the device. */
export async function jpegOf(canvas: HTMLCanvasElement): Promise<Blob> {
  const found = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
  if (!found) throw new Unreadable();
  return found;
}

/** Uploads a picture, and returns the upload's id. Throws a Problem. */
export async function uploadPicture(picture: Blob): Promise<string> {
  const headers = { "Content-Type": "application/octet-stream" };
  const upload = await call<{ id: string }>("POST", "v1/uploads?name=cover.jpg", undefined, { raw: picture, headers });
  return upload.id;
}

function draw(image: CanvasImageSource, width: number, height: number, canvas: HTMLCanvasElement): void {
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  if (!context) throw new Unreadable();
  context.fillStyle = "#fff"; // behind what is transparent: a JPEG would be black there
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
}

function brightnessOf(canvas: HTMLCanvasElement): number {
  const small = document.createElement("canvas");
  [small.width, small.height] = [16, 16];
  const context = small.getContext("2d");
  context?.drawImage(canvas, 0, 0, 16, 16);
  const pixels = context?.getImageData(0, 0, 16, 16).data ?? new Uint8ClampedArray();
  return pixels.reduce((sum, value, place) => sum + (place % 4 === 3 ? 0 : value), 0) / (3 * 256);
}

/** Waits until the next frame can be drawn, or cannot be waited for. */
function isShown(video: HTMLVideoElement): Promise<void> {
  return new Promise((resolve) => {
    if (!("requestVideoFrameCallback" in video)) return resolve();
    setTimeout(resolve, DRAWING_MS);
    video.requestVideoFrameCallback(() => resolve());
  });
}

/** Waits for an event of a video. Throws Unreadable if it fails, or does not come. */
function happened(video: HTMLVideoElement, name: "loadeddata" | "seeked"): Promise<void> {
  return new Promise((resolve, reject) => {
    const ended = new AbortController();
    const end = (act: () => void) => () => (ended.abort(), clearTimeout(timer), act());
    const fail = end(() => reject(new Unreadable()));
    const timer = setTimeout(fail, PATIENCE_MS);
    const { signal } = ended;
    video.addEventListener(name, end(resolve), { signal });
    video.addEventListener("error", fail, { signal });
  });
}
