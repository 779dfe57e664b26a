/** Random access to a file, which reads large blocks. */

/** The audio cannot be extracted: the container is unknown, damaged or of an unsupported form. The whole file is uploaded. */
export class Unfit extends Error {}

const WINDOW_BYTES = 4 * 1024 ** 2;
/** A gap between two ranges that is smaller than this is read too, because a separate read costs as much. */
const GAP_BYTES = 128 * 1024;

/** Reads a file through a window, so that memory does not grow with the file's size. */
export class Source {
  readonly size: number;
  #file: Blob;
  #start = 0;
  #window = new Uint8Array(0);

  constructor(file: Blob) {
    this.#file = file;
    this.size = file.size;
  }

  /**
   * Returns the bytes from `start` up to `end`, valid until the next call; fewer at the end of the file.
   * `ahead`: how many further bytes the caller will probably read.
   */
  async read(start: number, end: number, ahead = WINDOW_BYTES): Promise<Uint8Array<ArrayBuffer>> {
    if (start < this.#start || end > this.#start + this.#window.length) {
      this.#window = new Uint8Array(await this.#file.slice(start, Math.max(end, start + ahead)).arrayBuffer());
      this.#start = start;
    }
    return this.#window.subarray(start - this.#start, end - this.#start);
  }

  /** Returns exactly those bytes. Throws `Unfit` if the file ends earlier. */
  async whole(start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await this.read(start, end);
    if (bytes.length !== end - start) throw new Unfit("the file ends too early");
    return bytes;
  }
}

/** A range of the source file: start and end. */
export type Range = readonly [start: number, end: number];

/** Yields the bytes of all ranges, which are sorted. Reads ranges that are close together at once. */
export async function* readRanges(source: Source, ranges: readonly Range[]): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let place = 0;
  while (place < ranges.length) {
    const first = ranges[place] as Range;
    let end = place + 1;
    for (let reached = first[1]; end < ranges.length; end++) {
      const next = ranges[end] as Range;
      if (next[0] - reached > GAP_BYTES || next[1] - first[0] > WINDOW_BYTES) break;
      reached = next[1];
    }
    const ahead = (ranges[end - 1] as Range)[1] - first[0];
    for (; place < end; place++) {
      const [start, stop] = ranges[place] as Range;
      // One chunk may hold all of the file's audio.
      for (let at = start; at < stop; at += WINDOW_BYTES) {
        const until = Math.min(stop, at + WINDOW_BYTES);
        const bytes = await source.read(at, until, Math.min(ahead, WINDOW_BYTES));
        if (bytes.length !== until - at) throw new Unfit("the file ends too early");
        yield bytes;
      }
    }
  }
}
