// What is wrong with a typed value, or with two options beside each other, in words.

import type { Options, OptionValue } from "../api/types";
import { parseClock } from "../format";
import { t } from "../texts/texts";
import type { OptionField } from "./schema";

const DATE = /^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$/;
/** A track's number, or the code of a language with a region. */
const TRACK = /^([1-9]\d?|100|[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*)$/;

/** Returns the value that a text stands for, or what is wrong with it. */
export function parse(field: OptionField, text: string): { value: OptionValue } | { problem: string } {
  const { name, kind, maxLength = Infinity } = field;
  if (text.trim() === "") return { value: null };
  if (kind === "time") return inBounds(field, parseClock(text), t("option.no_time"));
  if (kind === "integer" || kind === "number") {
    const number = Number(text.replace(",", "."));
    return inBounds(field, kind === "integer" && !Number.isInteger(number) ? undefined : number, outOf(field));
  }
  const length = [...text].length;
  if (length > maxLength) return { problem: t("option.too_long", { max: maxLength, length }) };
  if (name === "date" && !DATE.test(text.trim())) return { problem: t("option.no_date") };
  if (kind === "track" && !TRACK.test(text.trim())) return { problem: t("option.no_track") };
  return { value: name === "date" || kind === "track" ? text.trim() : text };
}

function inBounds(field: OptionField, number: number | undefined, otherwise: string) {
  if (number === undefined || !Number.isFinite(number)) return { problem: otherwise };
  if (number < (field.min ?? -Infinity) || number > (field.max ?? Infinity)) return { problem: outOf(field) };
  return { value: number };
}

function outOf({ min, max }: OptionField): string {
  return t("option.no_value", { min: min ?? "", max: max ?? "" });
}

/** Returns the problems that options have with each other, by option. */
export function contradictions(options: Options): Record<string, string> {
  const { start_s: start, end_s: end } = options;
  const isEmpty = typeof end === "number" && end <= (typeof start === "number" ? start : 0);
  return isEmpty ? { end_s: t("option.end_before_start") } : {};
}

/** The option that an error of a conversion or a probe is about. */
const OPTION_OF: Record<string, string> = {
  audio_too_long: "end_s",
  damaged_audio: "fail_on_damage",
  invalid_cover: "cover",
  no_picture: "cover",
  start_out_of_range: "start_s",
  too_many_segments: "split",
  track_not_found: "track",
  tracks_far_apart: "track",
};

/** Returns the option that an error is about; undefined if it is about none, or more than one. */
export function optionOf(code: string, detail: string): string | undefined {
  if (code !== "invalid_option") return OPTION_OF[code];
  const name = /^(\w+)(: |:$)/.exec(detail)?.[1];
  return name?.startsWith("cover") ? "cover" : name;
}
